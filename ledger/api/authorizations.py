"""Authorizations: may this request run? 201 with a hold, or 402 with exactly the body that routers know.

Asking is a plain ASGI endpoint: it is called before every request of a router, and FastAPI's own work would cost more
than the decision (docs/decisions/0009).
"""

import asyncio
import hashlib
import time
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Path, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from ledger.api.auth import Caller, Needs
from ledger.api.errors import answer_of
from ledger.api.parts import Parts, PartsOf
from ledger.core.errors import LedgerError
from ledger.gate import holds
from ledger.gate.asking import affordable, expiry, extension_amount, new_hold, refusal_headers
from ledger.gate.holds import Decision, Hold, HoldClosed, HoldUnknown, NewHold
from schemas.fields import Token
from schemas.http import Authorization, AuthorizationState, Extension, NewAuthorization
from schemas.identity import derived_id, time_ordered_id
from schemas.money import format_nanos

INSUFFICIENT = b'{"error":{"message":"Insufficient credits. Please top up your account.","type":"billing_error"}}'
PATH = "/v1/authorizations"
SCOPE = "authorizations:write"
REFUSED: dict[int | str, dict[str, Any]] = {
    402: {"description": "The money is gone.", "content": {"application/json": {}}}
}

# The OpenAPI of what `Front` answers.
OPERATION: dict[str, Any] = {
    "tags": ["authorizations"],
    "summary": "Authorize",
    "description": "Ask before a request runs; what it may cost is held until its usage names the hold. An unknown "
    "account has no credits. A 402 says in its headers what there is, what it takes, and whether more is on its way.",
    "operationId": "authorize",
    "security": [{"HTTPBearer": []}],
    "parameters": [{"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}}],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewAuthorization"}}},
    },
    "responses": {
        "201": {
            "description": "The request may run.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Authorization"}}},
        },
        "402": REFUSED[402],
        "4XX": {
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}},
            "description": "",
        },
        "503": {
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}},
            "description": "",
        },
    },
}

_KEY: TypeAdapter[str] = TypeAdapter(Token)

router = APIRouter(prefix=PATH, tags=["authorizations"])
Authorizer = Annotated[Caller, Depends(Needs(SCOPE))]
HoldId = Annotated[UUID, Path(description="The id of an authorization.")]


class Front:
    """Answers `POST /v1/authorizations` itself and hands everything else to the application."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            answer = await self._authorize(request)
        except Exception as error:
            answer = answer_of(error, request.state.request_id)
        await answer(scope, receive, send)

    async def _authorize(self, request: Request) -> Response:
        """Ask before a request runs. An unknown account has no credits."""
        parts: Parts = self._app.state.parts
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        caller = (await parts.keys.holder(credentials if scheme.lower() == "bearer" else "")).may(SCOPE)
        raw = await request.body()
        body = _parsed(raw)
        caller.reach(body.account_id)
        key = request.headers.get("idempotency-key")
        gone = asyncio.ensure_future(request.receive())  # after the body nothing comes but the end of the connection
        try:
            return await _authorize(parts, body, _Repeatable.of(caller, _key(key), raw), gone)
        finally:
            gone.cancel()


class _Repeatable(NamedTuple):
    """The hold's id, and the hash of a request that may be repeated under its Idempotency-Key."""

    hold_id: str
    request_hash: bytes | None

    @classmethod
    def of(cls, caller: Caller, key: str | None, raw: bytes) -> "_Repeatable":
        if key is None:
            return cls(time_ordered_id(), None)
        return cls(derived_id(caller.owner, "authorization", key), hashlib.sha256(raw).digest())


async def _authorize(
    parts: Parts, body: NewAuthorization, repeatable: _Repeatable, gone: asyncio.Future[Message]
) -> Response:
    version = parts.version_now()
    new = new_hold(body, repeatable.hold_id, version, parts.settings)._replace(request_hash=repeatable.request_hash)
    decision = await _decide(parts, new)
    if gone.done():
        parts.gate.give_back(new)
    if decision.hold is None:
        parts.requests.note(decision.funds)
        headers = refusal_headers(decision.funds, new, body, version, parts.settings)
        return Response(INSUFFICIENT, 402, headers, "application/json")
    tokens = affordable(decision.hold, body, version)
    answer = _granted(decision.hold, tokens, decision.funds.available)
    return Response(answer.model_dump_json(), 201, media_type="application/json")


async def _decide(parts: Parts, new: NewHold) -> Decision:
    started, outcome = time.perf_counter(), "failed"
    try:
        decision = await parts.gate.decide(new)
        outcome = "refused" if decision.hold is None else "repeated" if decision.repeated else "granted"
        return decision
    except LedgerError as error:
        outcome = error.code
        raise
    finally:
        parts.metrics.decided(outcome, time.perf_counter() - started)


@router.get("/{hold_id}")
async def get_authorization(hold_id: HoldId, parts: PartsOf, caller: Authorizer) -> AuthorizationState:
    """Where an authorization stands."""
    return _state(await _known(parts, caller, hold_id))


@router.delete("/{hold_id}", status_code=204)
async def release(hold_id: HoldId, parts: PartsOf, caller: Authorizer) -> None:
    """Give back what is held, when no usage will come. Releasing twice is harmless."""
    hold = await _known(parts, caller, hold_id)
    async with parts.pool.connection() as connection:
        ended = await holds.close(connection, [(hold.hold_id, hold.account_id)], "released")
    if not ended:
        state = (await _known(parts, caller, hold_id)).state
        if state != "released":
            raise HoldClosed(state)


@router.post("/{hold_id}/extend", responses=REFUSED, response_model=Authorization)
async def extend(hold_id: HoldId, body: Extension, parts: PartsOf, caller: Authorizer) -> Response:
    """Hold more for a request under way; 402 when the funds end, so that the router can stop it."""
    hold = await _known(parts, caller, hold_id)
    until = expiry(body.ttl, parts.settings)
    amount = extension_amount(hold, body, parts.version_now())
    stale_seconds = parts.settings.gate_stale_seconds
    async with parts.pool.connection() as connection:
        extended = await holds.extend(connection, hold, amount, body.output_tokens, until, stale_seconds)
    if extended.hold is None:
        parts.requests.note(extended.funds)
        headers = {
            "Credits-Available": format_nanos(extended.funds.available),
            "Credits-Required": format_nanos(amount),
        }
        return Response(INSUFFICIENT, 402, headers, "application/json")
    answer = _granted(extended.hold, extended.hold.max_output_tokens, extended.funds.available)
    return Response(answer.model_dump_json(), media_type="application/json")


async def _known(parts: Parts, caller: Caller, hold_id: UUID) -> Hold:
    """The hold, which is the caller's to see. Raises HoldUnknown."""
    async with parts.pool.connection() as connection:
        found = (await holds.find(connection, [str(hold_id)])).get(str(hold_id))
    if found is None or caller.account_id not in ("", found.account_id):
        raise HoldUnknown(str(hold_id))
    return found


def _granted(hold: Hold, tokens: int | None, available: int) -> Authorization:
    return Authorization(
        id=hold.hold_id,
        account_id=hold.account_id,
        amount=format_nanos(hold.amount),
        max_output_tokens=tokens,
        expires_at=hold.expires_at,
        available=format_nanos(available),
    )


def _state(hold: Hold) -> AuthorizationState:
    return AuthorizationState(
        id=hold.hold_id,
        account_id=hold.account_id,
        amount=format_nanos(hold.amount),
        max_output_tokens=hold.max_output_tokens,
        expires_at=hold.expires_at,
        state=hold.state,
    )


def _key(given: str | None) -> str | None:
    try:
        return None if given is None else _KEY.validate_python(given)
    except ValidationError as error:
        raise _invalid(error, "header", "Idempotency-Key") from None


def _parsed(raw: bytes) -> NewAuthorization:
    try:
        return NewAuthorization.model_validate_json(raw)
    except ValidationError as error:
        raise _invalid(error, "body") from None


def _invalid(error: ValidationError, *where: str) -> RequestValidationError:
    return RequestValidationError([{**problem, "loc": (*where, *problem["loc"])} for problem in error.errors()])
