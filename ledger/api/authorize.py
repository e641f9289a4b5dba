"""May this request run? `POST /v1/authorizations`: 201 with a hold, or 402 with exactly the body that routers know.

It is called before every request of a router, so it stands in front of the application, as plain ASGI: the framework's
own work would cost more than the decision (docs/decisions/0009). Everything else goes on to the application.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.core.book import Version
from ledger.core.errors import LedgerError
from ledger.gate.hold_requests import new_hold, refusal_headers
from ledger.gate.holds import Decision, NewHold
from ledger.log.connecting import check_may_write
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from ledger.web.errors import answer_of, failure
from ledger.web.metrics import RequestMetrics
from ledger.web.requests import BODY_BYTES_MAX, GONE, request_id_of, too_large
from schemas.fields import Token
from schemas.http import Authorization, NewAuthorization
from schemas.identity import derived_id, time_ordered_id
from schemas.money import format_nanos

PATH = "/v1/authorizations"
SCOPE = "authorizations:write"
INSUFFICIENT = b'{"error":{"message":"Insufficient credits. Please top up your account.","type":"billing_error"}}'
REFUSED: dict[int | str, dict[str, Any]] = {
    402: {"description": "The money is gone.", "content": {"application/json": {}}}
}
_JSON = (b"content-type", b"application/json")
_KEY: TypeAdapter[str] = TypeAdapter(Token)

log = structlog.get_logger()


class Answer(NamedTuple):
    """What is said. `granted`: the hold that goes back when it can't be said."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]
    granted: NewHold | None = None


class Front:
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
    ) -> Answer:
        """What is said to a request, whatever goes wrong. `gone`: whether its client has left."""
        started, request_id = time.perf_counter(), request_id_of(headers)
        try:
            answer = await self._decided(headers, raw, gone)
        except Exception as error:
            answer = _failed(error, request_id)
        self._metrics.observe(PATH, "POST", answer.status, time.perf_counter() - started)
        answer.headers.append((b"x-request-id", request_id.encode()))
        return answer

    def left(self) -> None:
        """Counts a client that left before its request was there."""
        self._metrics.observe(PATH, "POST", GONE, 0)

    def unheard(self, answer: Answer) -> None:
        """Gives back what an answer grants that reached nobody."""
        if self.resources is not None and answer.granted is not None:
            self.resources.gate.give_back(answer.granted)

    async def _decided(self, headers: Mapping[bytes, bytes], raw: bytes, gone: Callable[[], bool]) -> Answer:
        assert self.resources, "requests come after the start"
        check_may_write(self.resources.settings)  # a copy's holds would bind nobody
        if len(raw) > BODY_BYTES_MAX:
            raise too_large(BODY_BYTES_MAX)
        caller = (await self.resources.keys.bearer(headers.get(b"authorization", b""))).may(SCOPE)
        if gone():  # the key was waited for, and nobody asks any more
            return Answer(GONE, b"", [])
        body = _parsed(raw)
        caller.reach(body.account_id)
        version = self.resources.version_now()
        new = _asked(self.resources, version, caller, body, headers.get(b"idempotency-key"), raw)
        return _answer(self.resources, version, body, new, await self._decision(self.resources, new))

    async def _decision(self, resources: Resources, new: NewHold) -> Decision:
        started, outcome = time.perf_counter(), "failed"
        try:
            decision = await resources.gate.decide(new)
            outcome = "refused" if decision.hold is None else "repeated" if decision.repeated else "granted"
            return decision
        except LedgerError as error:
            outcome = error.code
            raise
        finally:
            self._metrics.decided(outcome, time.perf_counter() - started)


def _asked(
    resources: Resources, version: Version, caller: Caller, body: NewAuthorization, key: bytes | None, raw: bytes
) -> NewHold:
    """The hold; its id is the Idempotency-Key's, so that a repeated request finds it."""
    if key is None:
        return new_hold(body, time_ordered_id(), version, resources.settings)
    hold_id = derived_id(caller.owner, "authorization", _key(key))
    return new_hold(body, hold_id, version, resources.settings)._replace(request_hash=hashlib.sha256(raw).hexdigest())


def _answer(resources: Resources, version: Version, body: NewAuthorization, new: NewHold, decision: Decision) -> Answer:
    hold = decision.hold
    if hold is None:
        resources.requests.note(decision.funds)
        headers = refusal_headers(decision.funds, new, body, version, resources.settings)
        return Answer(
            402, INSUFFICIENT, [_JSON, *((name.lower().encode(), said.encode()) for name, said in headers.items())]
        )
    granted = Authorization(
        id=hold.hold_id,
        account_id=hold.account_id,
        amount=format_nanos(hold.amount),
        max_output_tokens=hold.max_output_tokens,
        expires_at=hold.expires_at,
        available=format_nanos(decision.funds.available),
    )
    return Answer(201, granted.__pydantic_serializer__.to_json(granted), [_JSON], new)


async def _body(receive: Receive) -> bytes:
    """The whole body, or a little more of it than is allowed."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= BODY_BYTES_MAX:
        message = await receive()
        body += message.get("body", b"")
    return body


def _failed(error: Exception, request_id: str) -> Answer:
    """An exception in the one shape of errors; the log says so."""
    try:
        answer: Response = answer_of(error, request_id)
        log.info("request", method="POST", path=PATH, status=answer.status_code, request_id=request_id)
    except Exception:
        log.exception("request_failed", method="POST", path=PATH, request_id=request_id)
        answer = failure(request_id)
    headers = [header for header in answer.raw_headers if header[0] != b"content-length"]
    return Answer(answer.status_code, bytes(answer.body), headers)


def _key(given: bytes) -> str:
    try:
        return _KEY.validate_python(given.decode("latin-1"))
    except ValidationError as error:
        raise _invalid(error, "header", "Idempotency-Key") from None


def _parsed(raw: bytes) -> NewAuthorization:
    try:
        return NewAuthorization.model_validate_json(raw)
    except ValidationError as error:
        raise _invalid(error, "body") from None


def _invalid(error: ValidationError, *where: str) -> RequestValidationError:
    return RequestValidationError([{**problem, "loc": (*where, *problem["loc"])} for problem in error.errors()])
