"""A load generator for one POST route: keep-alive connections, and bodies that are ready before the clock starts.

A general HTTP client would take more CPU than the decision that is measured. This one reads only the status and the
length of the body from a response's head.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

Bodies = Iterator[bytes]


class Response(NamedTuple):
    """One response: seconds until it came, its status and its body."""

    seconds: float
    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """A connection that has at most one request under way."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = _length(head) if found else 0
        if not found or len(rest) < length:
            return
        self._received = rest[length:]
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((int(head[9:12]), rest[:length]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server closed the connection"))

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Sends one body; returns the status and body of the response."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
        return await self._answer

    def close(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            self._transport.close()


async def open_connections(host: str, port: int, path: str, token: str, count: int) -> list[Connection]:
    """Opens `count` connections."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(lambda: Connection(head), host, port))[1] for _ in range(count)]


async def closed_loop(connections: list[Connection], bodies: Bodies, seconds: float) -> tuple[list[Response], float]:
    """Each connection sends the next request when it has the response.

    Returns the responses, and how many seconds it took.
    """
    answers: list[Response] = []
    started = time.perf_counter()

    async def keep_asking(connection: Connection) -> None:
        while (asked_at := time.perf_counter()) < started + seconds:
            status, body = await connection.post(next(bodies))
            answers.append(Response(time.perf_counter() - asked_at, status, body))

    await asyncio.gather(*map(keep_asking, connections))
    return answers, time.perf_counter() - started


async def open_loop(
    connections: list[Connection], bodies: Bodies, rate: float, seconds: float, each: Callable[[Response], None]
) -> None:
    """Sends requests at a fixed rate. Times count from when a request was due, so a stall of the server is included."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    started = time.perf_counter()

    async def post_when_free(due: float) -> None:
        connection = await free.get()
        status, body = await connection.post(next(bodies))
        each(Response(time.perf_counter() - due, status, body))
        free.put_nowait(connection)

    tasks = set()
    for number in range(int(rate * seconds)):
        due = started + number / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        task = asyncio.create_task(post_when_free(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
