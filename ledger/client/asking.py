"""Questions over HTTP as steps that do no I/O: the same steps run in a thread and in an event loop.

Steps yield a question and get its answer, or the exception that came instead, also Ctrl-C and a cancellation.
"""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, TypeVar

import httpx

T = TypeVar("T")


class Question(NamedTuple):
    """One request. `seconds`: how long its answer may take; None: as long as the client says."""

    method: str
    path: str
    content: bytes | None = None
    headers: Mapping[str, str] = {}
    seconds: float | None = None

    def arguments(self) -> dict[str, Any]:
        """As httpx takes it."""
        more = {} if self.seconds is None else {"timeout": self.seconds}
        return {"method": self.method, "url": self.path, "content": self.content, "headers": self.headers, **more}


Steps = Generator[Question, httpx.Response, T]


def run(steps: Steps[T], client: httpx.Client) -> T:
    """Asks until the steps are through."""
    try:
        question = next(steps)
        while True:
            try:
                answer = client.request(**question.arguments())
            except BaseException as error:
                question = steps.throw(error)
            else:
                question = steps.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def run_async(steps: Steps[T], client: httpx.AsyncClient) -> T:
    """The same in an event loop."""
    try:
        question = next(steps)
        while True:
            try:
                answer = await client.request(**question.arguments())
            except BaseException as error:
                question = steps.throw(error)
            else:
                question = steps.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
