"""HTTP exchanges without I/O ("sans-I/O"), so that the same code serves a thread and an event loop.

Steps are a generator: they yield a request and receive its response. If sending fails, the exception is raised in them
at that place; this includes KeyboardInterrupt and CancelledError.
"""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, TypeVar

import httpx

T = TypeVar("T")


class Request(NamedTuple):
    """One HTTP request. `seconds`: its timeout; None: the timeout of the HTTP client."""

    method: str
    path: str
    content: bytes | None = None
    headers: Mapping[str, str] = {}
    seconds: float | None = None

    def arguments(self) -> dict[str, Any]:
        """The arguments of httpx's `request`."""
        more = {} if self.seconds is None else {"timeout": self.seconds}
        return {"method": self.method, "url": self.path, "content": self.content, "headers": self.headers, **more}


Steps = Generator[Request, httpx.Response, T]


def run(steps: Steps[T], client: httpx.Client) -> T:
    """Sends each request that the steps yield, and returns the value that the steps return."""
    try:
        request = next(steps)
        while True:
            try:
                response = client.request(**request.arguments())
            except BaseException as error:
                request = steps.throw(error)
            else:
                request = steps.send(response)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def run_async(steps: Steps[T], client: httpx.AsyncClient) -> T:
    """As `run`, in an event loop."""
    try:
        request = next(steps)
        while True:
            try:
                response = await client.request(**request.arguments())
            except BaseException as error:
                request = steps.throw(error)
            else:
                request = steps.send(response)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
