"""Serves an ASGI application with uvicorn: one thread for all requests of a process.

SIGTERM and SIGINT stop it cleanly.
"""

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

from ledger import server_processes
from ledger.core.errors import LedgerError

_STOP_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75
_YOUNG_OBJECTS = 10_000


class PortTaken(LedgerError):
    message = "Another process uses this port"


def serve_app(app: ASGIApp, host: str, port: int, protocol: type[asyncio.Protocol] = HttpToolsProtocol) -> None:
    """Serves until a signal. Raises PortTaken."""
    with _listening(host, port) as listener:
        # uvicorn raises the signal again after its shutdown. That is no failure, so the exit code is 0.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: sys.exit(0))
        freeze_garbage_collection()
        server = uvicorn.Server(_config(app, http=protocol))
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def serve_in_processes(
    count: int, factory: str, host: str, port: int, protocol: type[asyncio.Protocol] = HttpToolsProtocol
) -> None:
    """Serves in `count` processes, which accept connections on one port, until a signal. Raises PortTaken.

    `factory`: the function, as "module:name", that makes the application in each process. A process that ends or is
    stuck is replaced. SIGHUP replaces all of them, one after another.
    """
    with _listening(host, port) as listener:
        config = _config(factory, factory=True, workers=count, http=protocol)
        code = server_processes.run(config, [listener], _STOP_SECONDS + 5)
    if code:
        sys.exit(code)


def prepare_process() -> None:
    """In one of several processes, before it makes its application: ends the process if its parent is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="end-with-parent", daemon=True).start()


def freeze_garbage_collection() -> None:
    """Excludes all present objects from garbage collection, which would stop all requests for 0.1 s at a time.

    The objects of a request are freed by their reference count, so searching for cycles seldom is enough.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)  # the parent was killed, and a new one will need the port


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
