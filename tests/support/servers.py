"""A ledger's own API and projector as real processes, and clients for them; stopped with the module that asked."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from ledger.core.scopes import SCOPES
from ledger.dev.child_processes import environment_of
from ledger.dev.kafka import free_port
from ledger.records import api_keys
from ledger.settings import Settings
from tests.support.programs import Program
from tests.support.waiting import eventually

SERVE = "from ledger.server.serve import serve as run"
_PROJECT = "from projectors.worker import run"


@contextmanager
def process(settings: Settings, import_run: str, log: Path) -> Iterator[Program]:
    """Runs `run(Settings())` until the block ends, then asks it to stop, which it must do cleanly."""
    code = f"{import_run}; from ledger.settings import Settings; run(Settings())"
    with log.open("ab") as out:
        running = Program("-c", code, environment=environment_of(settings), stdout=out, stderr=out)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        finally:
            running.kill()


@contextmanager
def api(settings: Settings, folder: Path, **changes: Any) -> Iterator[str]:
    """The URL of an API for this ledger."""
    settings = settings.model_copy(update={"api_port": free_port(), **changes})
    with process(settings, SERVE, folder / "api.log") as running:
        url = f"http://{settings.api_host}:{settings.api_port}"
        eventually(lambda: running.poll() is not None or _listens(settings.api_port))
        assert running.poll() is None, (folder / "api.log").read_text()
        yield url


@contextmanager
def projector(settings: Settings, folder: Path) -> Iterator[None]:
    """A projector's worker for this ledger."""
    with process(settings, _PROJECT, folder / "projector.log"):
        yield


@contextmanager
def served(settings: Settings, folder: Path) -> Iterator[httpx.Client]:
    """An operator's client of an API beside a projector, once both are ready."""
    with api(settings, folder) as url, projector(settings, folder), client(url, key(settings)) as http:
        eventually(lambda: http.get("/readyz").status_code == 200)
        yield http


def key(settings: Settings, *scopes: str, account: str = "") -> str:
    """A new API key, with all scopes unless some are named."""
    with psycopg.connect(settings.database) as connection:
        return api_keys.create(connection, scopes or SCOPES, account).token


def client(url: str, token: str | None, **more: Any) -> httpx.Client:
    """A client that sends this key."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=url, headers=headers, timeout=20, **more)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
