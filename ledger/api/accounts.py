"""Routes: accounts are opened, listed, read and adjusted."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from ledger.api.answers import written
from ledger.api.dependencies import IdentityOf, Needs
from ledger.api.parameters import Cursor, Limit, Time
from ledger.service import accounts as service
from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf
from schemas.fields import AccountId
from schemas.http import AccountAnswer, Balance, NewAccount, NewAdjustment, Page, Pending, Transaction

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
Reader = Annotated[Caller, Depends(Needs("accounts:read"))]
Writer = Annotated[Caller, Depends(Needs("accounts:write"))]
Adjuster = Annotated[Caller, Depends(Needs("adjustments:write"))]
AccountPath = Annotated[AccountId, Path(examples=["acct_42"])]


@router.post("", status_code=201, response_model=AccountAnswer, responses={202: {"model": Pending}})
async def open_account(body: NewAccount, resources: ResourcesOf, caller: Writer, identity: IdentityOf) -> Response:
    """Open an account. Usage of an unknown account opens it, too, with the default package."""
    return written(await service.open_account(resources, caller, body, identity), 201)


@router.get("")
async def list_accounts(
    resources: ResourcesOf, caller: Reader, cursor: Cursor = None, limit: Limit = 50
) -> Page[AccountAnswer]:
    """Accounts in the order of their ids; an account's own key sees that one."""
    return await service.list_accounts(resources, caller, cursor, limit)


@router.get("/{account_id}")
async def get_account(account_id: AccountPath, resources: ResourcesOf, caller: Reader) -> AccountAnswer:
    """One account: balance, level, package, traces of this UTC month, auto top-up."""
    return await service.get_account(resources, caller, account_id)


@router.get("/{account_id}/balance")
async def get_balance(
    account_id: AccountPath,
    resources: ResourcesOf,
    caller: Reader,
    at: Annotated[Time | None, Query(description="RFC 3339: the balance at that moment of the log.")] = None,
) -> Balance:
    """The balance now, or at any time in the past; `as_of` says up to when every event is counted."""
    return await service.get_balance(resources, caller, account_id, at)


@router.post(
    "/{account_id}/adjustments",
    status_code=201,
    response_model=Transaction,
    responses={202: {"model": Pending}},
    tags=["adjustments"],
)
async def adjust(
    account_id: AccountPath, body: NewAdjustment, resources: ResourcesOf, caller: Adjuster, identity: IdentityOf
) -> Response:
    """Add credits to an account, or take some away with a negative amount."""
    return written(await service.adjust(resources, caller, account_id, body, identity), 201)
