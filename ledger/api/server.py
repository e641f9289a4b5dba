"""`ledger serve`: the API on granian, in worker processes of its own; SIGTERM and SIGINT end it cleanly."""

import socket
from functools import partial

from fastapi import FastAPI
from granian import Granian
from granian.constants import Interfaces

from ledger.api import logs
from ledger.api.app import create_app
from ledger.core.errors import LedgerError
from ledger.settings import Settings

_STOP_SECONDS = 10


class PortTaken(LedgerError):
    """Something listens on LEDGER_API_PORT already."""


def serve(settings: Settings, workers: int = 1) -> None:
    """Serves until a signal ends it. Raises PortTaken, and SettingMissing without a signing key."""
    settings.signing_key()
    _refuse_taken(settings.api_host, settings.api_port)
    logs.configure()
    server = Granian(
        "ledger",
        address=settings.api_host,
        port=settings.api_port,
        interface=Interfaces.ASGI,
        workers=workers,
        websockets=False,
        log_dictconfig=logs.GRANIAN,
        workers_kill_timeout=_STOP_SECONDS,
    )
    server.serve(target_loader=partial(_load, settings), wrap_loader=False)


def _load(settings: Settings) -> FastAPI:
    """Runs in the worker process."""
    logs.configure()
    return create_app(settings)


def _refuse_taken(host: str, port: int) -> None:
    """Granian's workers share their port, and so would two servers, without a word."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise PortTaken(f"{host}:{port}, {error.strerror}") from None
