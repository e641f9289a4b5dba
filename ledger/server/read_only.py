"""A copy's API: it answers requests that read, and refuses all others with the reason."""

from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.log.connecting import FoldOnly
from ledger.web.errors import api_error_of, error_response

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class ReadOnly:
    """Pure ASGI, within `RequestMiddleware`, which gives the request its id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READS:
            await error_response(scope["state"]["request_id"], api_error_of(FoldOnly()))(scope, receive, send)
            return
        await self._app(scope, receive, send)
