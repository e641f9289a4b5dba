"""An ASGI application on uvicorn: one process, one thread for all requests; SIGTERM and SIGINT end it cleanly."""

import asyncio
import os
import signal
import socket
import sys

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ledger import logs
from ledger.core.errors import LedgerError

_STOP_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75


class PortTaken(LedgerError):
    """Something listens on this port already."""


def serve_app(app: ASGIApp, host: str, port: int, protocol: type[asyncio.Protocol] = HttpToolsProtocol) -> None:
    """Serves until a signal ends it. Raises PortTaken."""
    logs.configure()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    with _listening(host, port) as listener:
        # uvicorn raises the signal again when it has finished; ended as it was told to, it has not failed.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: sys.exit(0))
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortTaken(f"{host}:{port}, {os.strerror(error.errno or 0)}") from None
