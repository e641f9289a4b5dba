"""`ledger sandbox`: the application on granian, in this one process, so that a kill ends all of it."""

import asyncio
import os
import signal
import socket

from granian.constants import Interfaces
from granian.server.embed import Server

from ledger import logs
from ledger.core.errors import LedgerError
from ledger.sandbox.app import create_app
from ledger.sandbox.parts import Options


class SandboxPortTaken(LedgerError):
    """Something listens on the sandbox's port already."""


def serve(options: Options) -> None:
    """Serves until a signal ends it. Raises SandboxPortTaken."""
    try:
        socket.create_server((options.host, options.port)).close()
    except OSError as error:
        raise SandboxPortTaken(f"{options.address}, {os.strerror(error.errno or 0)}") from None
    logs.configure()
    asyncio.run(_serve(options))


async def _serve(options: Options) -> None:
    server = Server(
        create_app(options),
        address=options.host,
        port=options.port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_dictconfig=logs.GRANIAN,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    await server.serve()
