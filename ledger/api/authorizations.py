"""Routes: authorizations that were granted are looked up, extended and released. `authorize` grants them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response

from ledger.api import insufficient_credits
from ledger.api.authorize import PATH, SCOPE
from ledger.api.dependencies import IdentityOf, Needs
from ledger.service import authorizations as service
from ledger.service.authorizations import NotEnoughCredits
from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf
from schemas.http import Authorization, AuthorizationState, Extension

# The OpenAPI of what `authorize` answers.
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
        "402": insufficient_credits.DOCUMENTED[402],
        "4XX": {
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}},
            "description": "",
        },
        "503": {
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}},
            "description": "",
        },
    },
}

router = APIRouter(prefix=PATH, tags=["authorizations"])
Authorizer = Annotated[Caller, Depends(Needs(SCOPE))]
HoldId = Annotated[UUID, Path(description="The id of an authorization.")]


@router.get("/{hold_id}")
async def get_authorization(hold_id: HoldId, resources: ResourcesOf, caller: Authorizer) -> AuthorizationState:
    """An authorization as it is now."""
    return await service.get_authorization(resources, caller, hold_id)


@router.delete("/{hold_id}", status_code=204)
async def release(hold_id: HoldId, resources: ResourcesOf, caller: Authorizer) -> None:
    """Give back what is held, when no usage will come. Releasing twice is harmless."""
    await service.release(resources, caller, hold_id)


@router.post("/{hold_id}/extend", responses=insufficient_credits.DOCUMENTED, response_model=Authorization)
async def extend(
    hold_id: HoldId, body: Extension, identity: IdentityOf, resources: ResourcesOf, caller: Authorizer
) -> Authorization | Response:
    """Hold more for a request under way, or only longer. 402 when the funds are used up: the router can stop then."""
    try:
        return await service.extend(resources, caller, hold_id, body, identity)
    except NotEnoughCredits as refusal:
        headers = insufficient_credits.headers(refusal, resources.settings)
        return Response(insufficient_credits.BODY, 402, headers, "application/json")
