"""`ledger bench gate`: how many requests per second the gate decides durably on this machine, and how fast.

It starts a temporary Kafka and Postgres, the API and a projector as in production, and sends the load over real HTTP.
Closed loop: each connection sends its next request after the response. Open loop: a fixed rate, timed from when each
request was due, while the projector folds usage, part of which settles holds. Then the load goes to one account only.
Refusals are counted separately. At last the same load goes to a server that decides nothing, to show the machine's
limit.
"""

import asyncio
import gc
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from ledger.bench.http_load import Connection, Response, closed_loop, open_connections, open_loop
from ledger.bench.machine import Machine, flush_milliseconds
from ledger.bench.progress_watch import api_ready
from ledger.bench.projection import StoppedProjecting
from ledger.bench.usage_load import usage_load
from ledger.core.scopes import SCOPES
from ledger.dev.bootstrap import bootstrap
from ledger.dev.child_processes import Child, Children, environment_of, ledger_command
from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from ledger.dev.visibility import nearest_rank
from ledger.log.publisher import Publisher
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND, COMMAND_AUTOCOMMIT
from ledger.records import api_keys
from ledger.settings import Settings
from schemas.events import Adjustment, CreditsAdjusted
from schemas.identity import time_ordered_id
from schemas.topics import EVENTS

PATH = "/v1/authorizations"
_READY_SECONDS = 60
_BASELINE_LOAD = ("64 connections", 64)


class Plan(NamedTuple):
    """What to measure.

    Rates are per second. `settling`: how many of the usage events name a hold. `processes`: of the API.
    """

    processes: int = 1
    connections: tuple[int, ...] = (1, 16, 64, 256)
    seconds: float = 10
    accounts: int = 10_000
    rate: int = 1_000
    usage: int = 5_000
    settling: int = 1_000
    seed: int = 20261121


class Measured(NamedTuple):
    """One load: decisions per second, milliseconds per decision, and how many were refused or failed.

    `cpu_micros`: CPU time of the API's processes per decision. `stolen`: percent of the machine's time that its host
    gave to others; above a few percent the figures say little about the gate.
    """

    name: str
    per_second: float
    p50: float
    p99: float
    refused: int
    failed: int
    cpu_micros: float
    stolen: float


class CpuSeconds(NamedTuple):
    """Seconds so far: CPU time of the API, and time that the machine's host gave to others."""

    api: float
    stolen: float

    def since(self, before: "CpuSeconds") -> "CpuSeconds":
        """The difference between the two moments."""
        return CpuSeconds(self.api - before.api, self.stolen - before.stolen)


class Result(NamedTuple):
    """The figures. `exact`: every account's held amount is the sum of its open holds.

    `flush`: milliseconds (p50, p99) that the disk alone takes to store 8 KiB; each decision waits for one such flush.
    """

    plan: Plan
    machine: Machine
    flush: tuple[float, float]
    measured: tuple[Measured, ...]
    baseline: Measured
    settled: int
    exact: bool

    @property
    def ratio(self) -> float:
        """Decisions per second, divided by the baseline's responses per second over the same connections."""
        [same] = (each for each in self.measured if each.name == self.baseline.name)
        return same.per_second / self.baseline.per_second

    def json_fields(self) -> dict[str, object]:
        """The fields of the line of `--json`."""
        return {
            **self.plan._asdict(),
            **self.machine.json_fields(),
            "flush": self.flush,
            "measured": [each._asdict() for each in self.measured],
            "baseline": self.baseline._asdict(),
            "ratio": round(self.ratio, 3),
            "settled": self.settled,
            "exact": self.exact,
        }


def run(plan: Plan, console: Console) -> Result:
    """Measures with a new, temporary ledger."""
    machine = Machine.here()
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder, Stack(Path(folder)) as stack:
        flush = flush_milliseconds(Path(folder))
        settings = stack.settings(4, api_port=free_port(), api_processes=plan.processes)
        bootstrap(settings)
        accounts = [f"bench-{number:06}" for number in range(plan.accounts)]
        with Children(console.print) as children:
            baseline_port = free_port()
            baseline = [sys.executable, "-m", "ledger.bench.baseline_server", str(baseline_port)]
            commands = {"worker": ledger_command("project"), "api": ledger_command("serve"), "baseline": baseline}
            for name, command in commands.items():
                children.add(Child(name, command, environment_of(settings), stack.home / f"{name}.log"))
            console.print(f"Funding {plan.accounts:,} accounts")
            _fund(settings, accounts)
            _wait_until_ready(settings, plan.accounts)
            token = _token(settings)
            api = _Api(settings.api_port, token, children.pids["api"])
            gc.disable()  # a garbage collection of the responses would delay requests that are due
            measured = asyncio.run(_measure(settings, plan, accounts, api, console))
            console.print(f"The same server without decisions, {plan.seconds:g} s")
            baseline_api = _Api(baseline_port, token, children.pids["baseline"])
            floor = asyncio.run(
                _closed(*_BASELINE_LOAD, baseline_api, itertools.repeat(_body(accounts[0])), plan.seconds)
            )
            gc.enable()
        return Result(plan, machine, flush, tuple(measured), floor, *_verify_holds(settings))


class _Api:
    """The API that is measured."""

    def __init__(self, port: int, token: str, pid: int) -> None:
        self._port, self._token = port, token
        self._process = psutil.Process(pid)

    async def connect(self, count: int) -> list[Connection]:
        """Opens `count` connections to it."""
        return await open_connections("127.0.0.1", self._port, PATH, self._token, count)

    def cpu_seconds(self) -> CpuSeconds:
        """CPU time of its processes so far, and the time that the host gave to others."""
        times = [process.cpu_times() for process in (self._process, *self._process.children(recursive=True))]
        stolen = getattr(psutil.cpu_times(), "steal", 0.0)  # only Linux reports it
        return CpuSeconds(float(sum(each.user + each.system for each in times)), stolen)


async def _measure(settings: Settings, plan: Plan, accounts: list[str], api: _Api, console: Console) -> list[Measured]:
    measured = []
    bodies = _bodies(accounts, random.Random(plan.seed))
    for count in plan.connections:
        console.print(f"{count} connections, {plan.seconds:g} s")
        measured.append(await _closed(f"{count} connections", count, api, bodies, plan.seconds))
    console.print(f"{plan.rate:,} requests/s beside {plan.usage:,} usage events/s, {plan.seconds:g} s")
    measured.append(await _open(settings, plan, api, bodies, accounts))
    console.print(f"One hot account, 64 connections, {plan.seconds:g} s")
    hot = itertools.repeat(_body(accounts[0]))
    measured.append(await _closed("one account, 64 connections", 64, api, hot, plan.seconds))
    return measured


async def _closed(name: str, count: int, api: _Api, bodies: Iterator[bytes], seconds: float) -> Measured:
    connections = await api.connect(count)
    await closed_loop(connections, bodies, 1)  # warms up prepared statements and the key's cache
    before = api.cpu_seconds()
    answers, took = await closed_loop(connections, bodies, seconds)
    cpu_seconds = api.cpu_seconds().since(before)
    for connection in connections:
        connection.close()
    return _of(name, answers, took, cpu_seconds)


async def _open(settings: Settings, plan: Plan, api: _Api, bodies: Iterator[bytes], accounts: list[str]) -> Measured:
    connections = await api.connect(256)
    answers: list[Response] = []
    with usage_load(settings, accounts, plan.usage, plan.settling, plan.seed) as usage:

        def keep(answer: Response) -> None:
            answers.append(answer)
            if answer.status == 201:
                hold = json.loads(answer.body)
                usage.settle(hold["account_id"], hold["id"])

        await open_loop(connections, bodies, plan.rate, 2, lambda _: None)  # warms up
        before = api.cpu_seconds()
        await open_loop(connections, bodies, plan.rate, plan.seconds, keep)
        cpu_seconds = api.cpu_seconds().since(before)
    for connection in connections:
        connection.close()
    return _of(f"{plan.rate:,}/s beside {plan.usage:,} events/s", answers, plan.seconds, cpu_seconds)


def _bodies(accounts: list[str], rng: random.Random) -> Iterator[bytes]:
    ready = [_body(account) for account in accounts]
    while True:
        yield rng.choice(ready)


def _body(account: str) -> bytes:
    return json.dumps({"account_id": account, "amount": "0.000001"}).encode()


def _of(name: str, answers: list[Response], seconds: float, cpu_seconds: CpuSeconds) -> Measured:
    times = sorted(answer.seconds for answer in answers)
    refused = sum(answer.status == 402 for answer in answers)
    failed = sum(answer.status not in (201, 402) for answer in answers)
    p50, p99 = (round(nearest_rank(times, percent) * 1000, 2) for percent in (50, 99))
    cpu_micros = round(cpu_seconds.api * 1e6 / len(answers), 1)
    stolen = round(100 * cpu_seconds.stolen / seconds / (psutil.cpu_count() or 1), 1)
    return Measured(name, round(len(answers) / seconds), p50, p99, refused, failed, cpu_micros, stolen)


def _fund(settings: Settings, accounts: list[str]) -> None:
    data = Adjustment(amount="1000", reason_code="bench", actor_id="bench")
    with Publisher(settings) as publisher:
        appends = [
            publisher.append_event(
                EVENTS,
                CreditsAdjusted(source="bench", id=time_ordered_id(), subject=account, data=data),
                settings.signing_key(),
            )
            for account in accounts
        ]
        for append in appends:
            append.position()


def _wait_until_ready(settings: Settings, accounts: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    with connect(settings.database, COMMAND_AUTOCOMMIT) as connection:
        while time.monotonic() < deadline:
            row = connection.execute("SELECT count(*) FROM views.balances").fetchone()
            if row and row[0] == accounts and api_ready(settings):
                return
            time.sleep(0.1)
    raise StoppedProjecting(f"not ready after {_READY_SECONDS} s")


def _token(settings: Settings) -> str:
    with connect(settings.database, COMMAND) as connection:
        return api_keys.create(connection, SCOPES).token


def _verify_holds(settings: Settings) -> tuple[int, bool]:
    """How many holds were settled, and whether held amounts are the sums of open holds."""
    with connect(settings.database, COMMAND) as connection:
        settled = connection.execute("SELECT count(*) FROM records.holds WHERE state = 'settled'").fetchone()
        wrong = connection.execute(
            "SELECT count(*) FROM records.held_accounts a LEFT JOIN ("
            "  SELECT account_id, sum(amount) AS open FROM records.holds WHERE state = 'open' GROUP BY account_id"
            ") h USING (account_id) WHERE a.held <> coalesce(h.open, 0)"
        ).fetchone()
    assert settled is not None
    return int(settled[0]), wrong == (0,)


def print_result(console: Console, result: Result) -> None:
    """Prints the figures as a table."""
    titles = ("load", "decisions/s", "p50 ms", "p99 ms", "refused", "failed", "API µs each", "stolen %")
    table = Table(*titles, title=str(result.machine))
    for each in (*result.measured, result.baseline._replace(name=f"{result.baseline.name}, without decisions")):
        numbers = (each.p50, each.p99, each.refused, each.failed, each.cpu_micros, each.stolen)
        table.add_row(each.name, f"{each.per_second:,.0f}", *map(str, numbers))
    console.print(table)
    console.print(f"Decisions / responses without decisions, over {result.baseline.name}: {result.ratio:.2f}")
    console.print("The disk alone stores 8 KiB in {} ms (p50), {} ms (p99)".format(*result.flush))
    console.print(
        f"{result.settled:,} holds settled by usage; held amounts = open holds: {'yes' if result.exact else 'NO'}"
    )
