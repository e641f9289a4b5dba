"""`ledger serve`: the API on granian, in worker processes of its own; SIGTERM and SIGINT end it cleanly."""

import os
import signal
import socket
import threading
import time
from functools import partial

from granian import Granian
from granian.constants import Interfaces
from starlette.types import ASGIApp

from ledger import logs
from ledger.api.app import create_app
from ledger.core.errors import LedgerError
from ledger.settings import Settings

_STOP_SECONDS = 10
_PARENT_SECONDS = 0.5


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


def _load(settings: Settings) -> ASGIApp:
    """Runs in the worker process."""
    _end_with_parent()
    logs.configure()
    return create_app(settings)


def _end_with_parent() -> None:
    """A worker whose parent was killed would go on serving, out of anybody's sight."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _refuse_taken(host: str, port: int) -> None:
    """Granian's workers share their port, and so would two servers, without a word."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise PortTaken(f"{host}:{port}, {os.strerror(error.errno or 0)}") from None
