"""`ledger serve`: the API on uvicorn, one process, one thread for all requests; SIGTERM and SIGINT end it cleanly.

A server with threads of its own costs more than the decision it carries: every request waits twice for Python's one
lock to change hands (docs/decisions/0009). More processes are started beside it, on ports of their own.
"""

import os
import signal
import socket
import sys

import uvicorn

from ledger import logs
from ledger.api.app import create_app
from ledger.api.protocol import Protocol
from ledger.core.errors import LedgerError
from ledger.settings import Settings

_STOP_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75


class PortTaken(LedgerError):
    """Something listens on LEDGER_API_PORT already."""


def serve(settings: Settings) -> None:
    """Serves until a signal ends it. Raises PortTaken, and SettingMissing without a signing key."""
    settings.signing_key()
    logs.configure()
    config = uvicorn.Config(
        create_app(settings),
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    with _listening(settings.api_host, settings.api_port) as listener:
        # uvicorn raises the signal again when it has finished; ended as it was told to, it has not failed.
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
        signal.signal(signal.SIGINT, lambda _number, _frame: sys.exit(0))
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortTaken(f"{host}:{port}, {os.strerror(error.errno or 0)}") from None
