"""An ASGI application on uvicorn: one thread for all requests of a process; SIGTERM and SIGINT end it cleanly."""

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import sys
import threading
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ledger import serving_processes
from ledger.core.errors import LedgerError

_STOP_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75
_YOUNG_OBJECTS = 10_000


class PortTaken(LedgerError):
    message = "Something listens on this port already"


def serve_app(app: ASGIApp, host: str, port: int, protocol: type[asyncio.Protocol] = HttpToolsProtocol) -> None:
    """Serves until a signal ends it. Raises PortTaken."""
    with _listening(host, port) as listener:
        # uvicorn raises the signal again when it has finished; ended as it was told to, it has not failed.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: sys.exit(0))
        spare_collections()
        server = uvicorn.Server(_config(app, http=protocol))
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def serve_in_processes(
    count: int, factory: str, host: str, port: int, protocol: type[asyncio.Protocol] = HttpToolsProtocol
) -> None:
    """Serves in `count` processes, which accept from one port, until a signal ends them. Raises PortTaken.

    `factory`: the function, as "module:name", that makes the application in each of them. One that dies or stands
    still is replaced; SIGHUP replaces all of them, one after the other.
    """
    with _listening(host, port) as listener:
        config = _config(factory, factory=True, workers=count, http=protocol)
        code = serving_processes.run(config, [listener], _STOP_SECONDS + 5)
    if code:
        sys.exit(code)


def prepare_process() -> None:
    """For a process of several, before it makes its application: its end when nobody supervises it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="end-with-parent", daemon=True).start()


def spare_collections() -> None:
    """What stands now stays: looking through it for garbage would stop all requests for 0.1 s at a time.

    And what a request makes is freed by its reference count, so that looking for cycles seldom is enough.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)  # killed: it could not tell us, and somebody will start it again, on this port


def _config(app: ASGIApp | str, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        **more,
    )


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortTaken(f"{host}:{port}, {os.strerror(error.errno or 0)}") from None
