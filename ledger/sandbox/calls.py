"""One call of a provider's API: counted, performed in one transaction, with the fault that was switched on for it."""

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from ledger.sandbox.parts import Sandbox


async def performed(
    sandbox: Sandbox,
    provider: str,
    operation: str,
    request: Request,
    do: Callable[[], Response],
    broken: Callable[[], Response],
) -> Response:
    """What `do` answers. `broken`: the provider's answer of 500."""
    sandbox.counts.add(provider, operation)
    fault = sandbox.faults.of_call(provider, operation)
    kind = fault.fault if fault else None
    if fault and kind == "slow":
        await asyncio.sleep(fault.seconds)
    if kind == "error_before":
        return broken()
    if kind == "reset_before":
        return _cut(request, broken)
    with sandbox.store.transaction():
        answer = do()
    if fault and kind == "timeout_after":
        await asyncio.sleep(fault.seconds)
    if kind in ("reset_after", "timeout_after"):
        return _cut(request, broken)
    return broken() if kind == "error_after" else answer


def _cut(request: Request, broken: Callable[[], Response]) -> Response:
    """Hangs up on the client without an answer. ASGI has no way to: the connection is found by its other end."""
    assert request.client is not None
    client = (request.client.host, request.client.port)
    for number in _sockets():
        with suppress(OSError), socket.socket(fileno=os.dup(number)) as connection:
            if connection.getpeername()[:2] == client:
                connection.shutdown(socket.SHUT_RDWR)
    return broken()  # nobody hears it


def _sockets() -> Iterator[int]:
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):  # the folder's own one is closed by now
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield int(name)
