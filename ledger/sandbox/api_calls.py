"""One call of a provider's API: counted, handled in one transaction, with the fault that is switched on for it."""

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from ledger.sandbox.sandbox import Sandbox


async def run_call(
    sandbox: Sandbox,
    provider: str,
    operation: str,
    request: Request,
    handle: Callable[[], Response],
    server_error: Callable[[], Response],
) -> Response:
    """The response of `handle`, or the fault's. `server_error`: the provider's response with status 500."""
    sandbox.call_counts.add(provider, operation)
    fault = sandbox.faults.of_call(provider, operation)
    kind = fault.fault if fault else None
    if fault and kind == "slow":
        await asyncio.sleep(fault.seconds)
    if kind == "error_before":
        return server_error()
    if kind == "reset_before":
        return _cut(request, server_error)
    with sandbox.store.transaction():
        answer = handle()
    if fault and kind == "timeout_after":
        await asyncio.sleep(fault.seconds)
    if kind in ("reset_after", "timeout_after"):
        return _cut(request, server_error)
    return server_error() if kind == "error_after" else answer


def _cut(request: Request, server_error: Callable[[], Response]) -> Response:
    """Closes the client's connection without a response.

    ASGI can't do that, so the socket is found by its remote address.
    """
    assert request.client is not None
    client = (request.client.host, request.client.port)
    for number in _sockets():
        with suppress(OSError), socket.socket(fileno=os.dup(number)) as connection:
            if connection.getpeername()[:2] == client:
                connection.shutdown(socket.SHUT_RDWR)
    return server_error()  # ASGI needs a response; the client does not get it


def _sockets() -> Iterator[int]:
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):  # the descriptor that listed the folder is closed by now
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield int(name)
