"""HTTP/1.1 as uvicorn speaks it, but for one route: an authorization is answered without an ASGI message in between.

The pinned uvicorn's own class parses, keeps connections alive and counts; only what runs for the route is replaced.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ledger.api.authorize import PATH, AuthorizationEndpoint, RawAnswer
from ledger.web.requests import BODY_BYTES_MAX


class Protocol(HttpToolsProtocol):
    """One connection. The lifespan's state has the `AuthorizationEndpoint`."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        scope = cycle.scope
        if scope["path"] != PATH or scope["method"] != "POST" or cycle.waiting_for_100_continue:
            super()._start_asgi_task(cycle, app)
            return
        task = self.loop.create_task(_authorize(cycle, self.app_state["endpoint"]))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)


async def _authorize(cycle: RequestResponseCycle, endpoint: AuthorizationEndpoint) -> None:
    while cycle.more_body and not cycle.disconnected and len(cycle.body) <= BODY_BYTES_MAX:
        cycle.message_event.clear()
        await cycle.message_event.wait()
    if cycle.disconnected:
        endpoint.left()
        return
    answer = await endpoint.answer(dict(cycle.scope["headers"]), bytes(cycle.body), lambda: cycle.disconnected)
    if cycle.disconnected:
        endpoint.undelivered(answer)
        return
    if cycle.more_body:  # the rest of a body that is too large is not read
        cycle.keep_alive = False
    cycle.transport.write(_bytes(cycle, answer))
    cycle.response_complete = True
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


def _bytes(cycle: RequestResponseCycle, answer: RawAnswer) -> bytes:
    headers = [*cycle.default_headers, *answer.headers, (b"content-length", b"%d" % len(answer.body))]
    if not cycle.keep_alive:
        headers.append((b"connection", b"close"))
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    return b"%b%b\r\n%b" % (STATUS_LINE[answer.status], lines, answer.body)
