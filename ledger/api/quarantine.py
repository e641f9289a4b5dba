"""Routes: usage that was kept aside because its charge was not plausible, and the decisions about it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from ledger.api.accounts import AccountPath, Adjuster
from ledger.api.answers import written
from ledger.api.dependencies import IdentityOf, Needs
from ledger.api.parameters import Cursor, Limit
from ledger.service import quarantine as service
from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf
from schemas.fields import AccountId
from schemas.http import NewDecision, Page, Pending, QuarantineDecided, QuarantinedUsage

router = APIRouter(prefix="/v1", tags=["quarantine"])
Reader = Annotated[Caller, Depends(Needs("accounts:read"))]


@router.get("/quarantine")
async def list_quarantine(
    resources: ResourcesOf,
    caller: Reader,
    account_id: AccountId | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[QuarantinedUsage]:
    """Usage that waits for a decision, oldest first: its charge would be above the book's `usage_credits_max`."""
    return await service.list_quarantine(resources, caller, account_id, cursor, limit)


@router.post(
    "/accounts/{account_id}/quarantine/{event_id}",
    status_code=201,
    response_model=QuarantineDecided,
    responses={202: {"model": Pending}},
)
async def decide(
    account_id: AccountPath,
    event_id: UUID,
    body: NewDecision,
    resources: ResourcesOf,
    caller: Adjuster,
    identity: IdentityOf,
) -> Response:
    """Accept such usage, which charges it now, or drop it, so that it is never charged."""
    return written(await service.decide(resources, caller, account_id, str(event_id), body, identity), 201)
