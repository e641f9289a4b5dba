"""`ledger dev`: a whole ledger from nothing, with traffic, in one command, and a proof of its numbers at the end.

The servers, the workers and the API are processes of their own, exactly as in production, and all of them are stopped
in order however it ends.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
from rich.console import Console

from ledger.core.errors import LedgerError
from ledger.dev.announcement import Announcement
from ledger.dev.children import Child, Children, environment_of, ledger_command, variables_of, worker_commands
from ledger.dev.errors import DidNotStart, PortTaken
from ledger.dev.kafka import free_port
from ledger.dev.payments import payment_settings, sandbox_command
from ledger.dev.secrets import operator_key
from ledger.dev.session import Local, Session, Traffic
from ledger.dev.stack import Stack
from ledger.dev.summary import Summary
from ledger.dev.tallies import read_tallies
from ledger.dev.upgrade import bring_up_to_date

DEFAULT_API_PORT = 8080
DEFAULT_SANDBOX_PORT = 4242
PARTITIONS = 4
READY_SECONDS = 90.0


class Options(NamedTuple):
    """What `ledger dev` was asked for. None: a port that is free."""

    home: Path
    workers: int = 1
    api_port: int | None = None
    kafka_port: int | None = None


class NotReady(LedgerError):
    """The ledger did not get ready in time; the logs in the home say why."""


def run(options: Options, traffic: Traffic, console: Console) -> Summary:
    """Everything, from the first start to the last stop."""
    console.print(f"Starting Kafka and Postgres in {options.home.absolute()}", style="dim", soft_wrap=True)
    with Stack(options.home, options.kafka_port) as stack, Announcement(stack.home) as announcement:
        local = _prepared(stack, options, console)
        session = Session(local, read_tallies(local.settings.database), traffic, console)
        with Children(session.board.notice) as children:
            console.print("Starting the projector, the consumers, the API and the payment sandbox", style="dim")
            _start(children, local, options.workers)
            sign = "/readyz" if options.workers else "/healthz"
            _wait_until_ready(children, (f"{local.sandbox}/sandbox", f"{local.api}{sign}"))
            try:
                return asyncio.run(session.run(children, _announcer(announcement, local, stack, children)))
            except asyncio.CancelledError:  # asked twice
                raise KeyboardInterrupt from None


def _prepared(stack: Stack, options: Options, console: Console) -> Local:
    """A ledger with schema, topics, a book and its secrets; nothing of it runs yet."""
    sandbox = f"http://127.0.0.1:{_port(DEFAULT_SANDBOX_PORT)}"
    settings = stack.settings(PARTITIONS, api_port=_api_port(options.api_port), **payment_settings(stack.home, sandbox))
    bring_up_to_date(settings, console)
    return Local(settings, operator_key(stack.home, settings.database), sandbox)


def _start(children: Children, local: Local, workers: int) -> None:
    logs = local.settings.home / "logs"
    logs.mkdir(exist_ok=True)
    environment = environment_of(local.settings)
    others = {
        "sandbox": sandbox_command(local.settings.home, local.sandbox, local.api),
        "consume": ledger_command("consume"),
        "api": ledger_command("serve"),
    }
    for name, command in [*worker_commands(workers), *others.items()]:
        children.add(Child(name, command, environment, logs / f"{name}.log"))


def _wait_until_ready(children: Children, signs: Sequence[str]) -> None:
    """Until all addresses give the sign that who is behind them is ready. Raises DidNotStart or NotReady."""
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client(timeout=5) as http:
        while not all(_answers(http, sign) for sign in signs):
            for child in children.all:
                if not child.alive:
                    assert child.log is not None
                    raise DidNotStart(child.name, "ended while starting", child.log)
            if time.monotonic() > deadline:
                raise NotReady()
            time.sleep(0.1)


def _answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).is_success
    except httpx.TransportError:
        return False


def _announcer(announcement: Announcement, local: Local, stack: Stack, children: Children) -> Callable[[], None]:
    """What writes dev.json and env, at the start and whenever a child has another pid."""

    def announce() -> None:
        servers = {"dev": os.getpid(), "kafka": stack.kafka.pid, "postgres": stack.postgres.pid}
        announcement.write(
            {
                "kafka": local.settings.kafka,
                "database": local.settings.database,
                "api": local.api,
                "sandbox": local.sandbox,
                "operator_key": local.operator_key,
                "pids": {**servers, **children.pids},
            },
            {"API": local.api, "SANDBOX": local.sandbox, "KEY": local.operator_key, **variables_of(local.settings)},
        )

    return announce


def _api_port(wanted: int | None) -> int:
    """The port that was asked for, or the usual one if it is free, or any other. Raises PortTaken."""
    if wanted is not None:
        if not _is_free(wanted):
            raise PortTaken(wanted)
        return wanted
    return _port(DEFAULT_API_PORT)


def _port(usual: int) -> int:
    return usual if _is_free(usual) else free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
