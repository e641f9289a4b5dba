"""`POST /v1/authorizations`: may this request run? 201 with a hold, or 402 with exactly the body that routers expect.

A router calls it before every request. So it is plain ASGI in front of the application: the framework's own work would
cost more than the decision (docs/decisions/0009). The application answers all other requests.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.api import insufficient_credits
from ledger.core.errors import LedgerError
from ledger.gate.gate import GateUnavailable
from ledger.gate.holds import HoldConflict, NewHold, ProjectionBehind
from ledger.log.connecting import check_may_write
from ledger.service.authorizations import NotEnoughCredits, authorize
from ledger.service.idempotency import RequestIdentity
from ledger.service.resources import Resources
from ledger.settings import Settings
from ledger.web.errors import answer_of, failure
from ledger.web.metrics import RequestMetrics
from ledger.web.requests import BODY_BYTES_MAX, GONE, request_id_of, too_large
from schemas.fields import Token
from schemas.http import NewAuthorization

PATH = "/v1/authorizations"
SCOPE: Final = "authorizations:write"
_JSON = (b"content-type", b"application/json")
# Other errors come before the gate is asked, and are no decisions.
_OF_THE_GATE = (GateUnavailable, ProjectionBehind, HoldConflict)
_KEY: TypeAdapter[str] = TypeAdapter(Token)

log = structlog.get_logger()


class RawAnswer(NamedTuple):
    """An answer over HTTP. `granted`: its hold, which is given back if the answer can't be delivered."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]
    granted: NewHold | None = None


class AuthorizationEndpoint:
    """Decides authorizations, over plain bytes and as ASGI; hands every other request to the application."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self.resources: Resources | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        answer = await self.answer(dict(scope["headers"]), await _body(receive))
        headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def answer(
        self, headers: Mapping[bytes, bytes], raw: bytes, gone: Callable[[], bool] = lambda: False
    ) -> RawAnswer:
        """The answer to a request, also when something fails. `gone` tells whether its client has left."""
        started, request_id = time.perf_counter(), request_id_of(headers)
        try:
            answer = await self._decided(headers, raw, gone)
        except Exception as error:
            answer = _failed(error, request_id)
        self._metrics.observe(PATH, "POST", answer.status, time.perf_counter() - started)
        answer.headers.append((b"x-request-id", request_id.encode()))
        return answer

    def left(self) -> None:
        """Counts a client that left before it had sent its request."""
        self._metrics.observe(PATH, "POST", GONE, 0)

    def undelivered(self, answer: RawAnswer) -> None:
        """Gives back the hold of an answer that did not reach its client."""
        if self.resources is not None and answer.granted is not None:
            self.resources.gate.give_back(answer.granted)

    async def _decided(self, headers: Mapping[bytes, bytes], raw: bytes, gone: Callable[[], bool]) -> RawAnswer:
        assert self.resources, "requests come after the start"
        check_may_write(self.resources.settings)  # a copy's holds would bind no router
        if len(raw) > BODY_BYTES_MAX:
            raise too_large(BODY_BYTES_MAX)
        caller = (await self.resources.keys.of_header(headers.get(b"authorization", b""))).may(SCOPE)
        if gone():  # the key was waited for, and the client left meanwhile
            return RawAnswer(GONE, b"", [])
        body, identity = _parsed(raw), _identity(headers.get(b"idempotency-key"), raw)
        started, outcome = time.perf_counter(), "failed"
        try:
            granted = await authorize(self.resources, caller, body, identity)
            outcome = "repeated" if granted.repeated else "granted"
        except NotEnoughCredits as refusal:
            outcome = "refused"
            return _refused(refusal, self.resources.settings)
        except LedgerError as error:
            outcome = error.code if isinstance(error, _OF_THE_GATE) else ""
            raise
        finally:
            if outcome:
                self._metrics.decided(outcome, time.perf_counter() - started)
        authorization = granted.authorization
        body_bytes = authorization.__pydantic_serializer__.to_json(authorization)
        return RawAnswer(201, body_bytes, [_JSON], granted.hold)


def _refused(refusal: NotEnoughCredits, settings: Settings) -> RawAnswer:
    texts = insufficient_credits.headers(refusal, settings)
    headers = [(name.lower().encode(), text.encode()) for name, text in texts.items()]
    return RawAnswer(402, insufficient_credits.BODY, [_JSON, *headers])


async def _body(receive: Receive) -> bytes:
    """The whole body, or a little more of it than is allowed."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= BODY_BYTES_MAX:
        message = await receive()
        body += message.get("body", b"")
    return body


def _failed(error: Exception, request_id: str) -> RawAnswer:
    """An exception as an answer; our log notes it."""
    try:
        answer: Response = answer_of(error, request_id)
        log.info("request", method="POST", path=PATH, status=answer.status_code, request_id=request_id)
    except Exception:
        log.exception("request_failed", method="POST", path=PATH, request_id=request_id)
        answer = failure(request_id)
    headers = [header for header in answer.raw_headers if header[0] != b"content-length"]
    return RawAnswer(answer.status_code, bytes(answer.body), headers)


def _identity(key: bytes | None, raw: bytes) -> RequestIdentity | None:
    if key is None:
        return None
    try:
        return RequestIdentity(_KEY.validate_python(key.decode("latin-1")), hashlib.sha256(raw).digest())
    except ValidationError as error:
        raise _invalid(error, "header", "Idempotency-Key") from None


def _parsed(raw: bytes) -> NewAuthorization:
    try:
        return NewAuthorization.model_validate_json(raw)
    except ValidationError as error:
        raise _invalid(error, "body") from None


def _invalid(error: ValidationError, *where: str) -> RequestValidationError:
    return RequestValidationError([{**problem, "loc": (*where, *problem["loc"])} for problem in error.errors()])
