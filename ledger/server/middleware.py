"""Around every request: its id, a limit for its body, one log line, its time; and an answer also after a failure."""

import time

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.web.errors import failure
from ledger.web.metrics import RequestMetrics
from ledger.web.requests import BATCH_BYTES_MAX, BODY_BYTES_MAX, GONE, WEBHOOK_BYTES_MAX, request_id_of, too_large

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger()


class RequestMiddleware:
    """Pure ASGI, because Starlette's base class for middleware costs a task and a queue per request."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(dict(scope["headers"]))
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, _bounded(scope, receive), answer)
        except ClientDisconnect:
            status = GONE
        except Exception:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            if status:
                raise
            await failure(request_id)(scope, receive, answer)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.observe(route, method, status, seconds)
        if route not in _QUIET:
            log.info("request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 2))


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """`receive`, which raises as soon as the body is larger than any that could be accepted."""
    limit = _limit(scope["path"])
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise too_large(limit)
        return message

    return bounded


def _limit(path: str) -> int:
    if path.startswith("/webhooks/"):
        return WEBHOOK_BYTES_MAX
    return BATCH_BYTES_MAX if path == "/v1/usage" else BODY_BYTES_MAX
