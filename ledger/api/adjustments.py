"""Adjustments: an operator corrects a balance, with a reason; the key that did it is on the log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from ledger.api.accounts import AccountPath
from ledger.api.dependencies import Needs
from ledger.api.idempotency import Once
from ledger.api.writes import Write, known_account, perform, posted
from ledger.service.caller import Caller
from ledger.service.transactions import transaction_of
from ledger.web.dependencies import ResourcesOf
from schemas.events import Adjustment, CreditsAdjusted
from schemas.http import NewAdjustment, Pending, Transaction

router = APIRouter(prefix="/v1/accounts", tags=["adjustments"])
Adjuster = Annotated[Caller, Depends(Needs("adjustments:write"))]


@router.post(
    "/{account_id}/adjustments", status_code=201, response_model=Transaction, responses={202: {"model": Pending}}
)
async def adjust(
    account_id: AccountPath, body: NewAdjustment, resources: ResourcesOf, caller: Adjuster, asked: Once
) -> Response:
    """Add credits to an account, or take some away with a negative amount."""
    await known_account(resources, caller, account_id)

    async def answer(event_id: str) -> Transaction:
        return transaction_of(await posted(resources, event_id, account_id))

    def data(actor_id: str) -> Adjustment:
        return Adjustment(amount=body.amount, reason_code=body.reason_code, actor_id=actor_id)

    return await perform(resources, caller, asked, Write(CreditsAdjusted, account_id, data, 201, answer))
