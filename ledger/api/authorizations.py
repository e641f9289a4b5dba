"""What becomes of authorizations once they are granted: looked up, extended, released. `front` grants them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response

from ledger.api.authorize import INSUFFICIENT, PATH, REFUSED, SCOPE
from ledger.api.dependencies import Needs
from ledger.api.idempotency import Once
from ledger.gate import holds
from ledger.gate.hold_requests import expiry, extension_amount, funds_headers
from ledger.gate.holds import Hold, HoldClosed, HoldUnknown
from ledger.records.idempotency import Answer
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from ledger.web.dependencies import ResourcesOf
from schemas.http import Authorization, AuthorizationState, Extension
from schemas.money import format_nanos

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

router = APIRouter(prefix=PATH, tags=["authorizations"])
Authorizer = Annotated[Caller, Depends(Needs(SCOPE))]
HoldId = Annotated[UUID, Path(description="The id of an authorization.")]


@router.get("/{hold_id}")
async def get_authorization(hold_id: HoldId, resources: ResourcesOf, caller: Authorizer) -> AuthorizationState:
    """Where an authorization stands."""
    return _state(await _known(resources, caller, hold_id))


@router.delete("/{hold_id}", status_code=204)
async def release(hold_id: HoldId, resources: ResourcesOf, caller: Authorizer) -> None:
    """Give back what is held, when no usage will come. Releasing twice is harmless."""
    hold = await _known(resources, caller, hold_id)
    async with resources.pool.connection() as connection:
        ended = await holds.close(connection, [(hold.hold_id, hold.account_id)], "released")
    if not ended:
        state = (await _known(resources, caller, hold_id)).state
        if state != "released":
            raise HoldClosed(state)


@router.post("/{hold_id}/extend", responses=REFUSED, response_model=Authorization)
async def extend(hold_id: HoldId, body: Extension, asked: Once, resources: ResourcesOf, caller: Authorizer) -> Response:
    """Hold more for a request under way, or only longer; 402 when the funds end, so that the router can stop it."""
    hold = await _known(resources, caller, hold_id)
    until = expiry(body.ttl, resources.settings)
    amount = extension_amount(hold, body, resources.version_now())
    tokens = 0 if body.renews_only else body.output_tokens
    stale_seconds = resources.settings.gate_stale_seconds
    # One transaction with the key's answer: asked again, however the first time ended, it is extended once.
    async with resources.pool.connection() as connection, connection.transaction():
        reserved = await asked.reserved(connection, caller)
        if reserved.answer is not None:
            return asked.response(reserved.answer)
        extended = await holds.extend(connection, hold, amount, tokens, until, stale_seconds)
        if extended.hold is None:
            resources.requests.note(extended.funds)
            headers = funds_headers(extended.funds, amount, resources.settings)
            return Response(INSUFFICIENT, 402, headers, "application/json")
        granted = _granted(extended.hold, extended.hold.max_output_tokens, extended.funds.available)
        return await asked.kept(connection, caller, Answer(200, granted.model_dump(mode="json")))


async def _known(resources: Resources, caller: Caller, hold_id: UUID) -> Hold:
    """The hold, which is the caller's to see. Raises HoldUnknown."""
    async with resources.pool.connection() as connection:
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
