"""Authorizations: may this request run? 201, or 402 with exactly the body that routers know."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from ledger.api.auth import Caller, Needs
from ledger.api.parts import PartsOf
from ledger.core.spending import may_spend
from ledger.views.accounts import balance
from schemas.http import Authorization, NewAuthorization
from schemas.money import format_nanos, parse_nanos

INSUFFICIENT = b'{"error":{"message":"Insufficient credits. Please top up your account.","type":"billing_error"}}'

router = APIRouter(prefix="/v1/authorizations", tags=["authorizations"])


@router.post(
    "",
    status_code=201,
    response_model=Authorization,
    responses={402: {"description": "The money is gone.", "content": {"application/json": {}}}},
)
async def authorize(
    body: NewAuthorization, parts: PartsOf, caller: Annotated[Caller, Depends(Needs("authorizations:write"))]
) -> Authorization | Response:
    """Ask before a request runs. An unknown account has no credits."""
    caller.reach(body.account_id)
    async with parts.pool.connection() as connection:
        found = await balance(connection, body.account_id)
    amount = None if body.amount is None else parse_nanos(body.amount)
    if found is None or not may_spend(found.balance, amount):
        return Response(INSUFFICIENT, 402, media_type="application/json")
    available = format_nanos(found.balance)
    return Authorization(account_id=body.account_id, amount=body.amount, available=available, as_of=found.through)
