"""Accounts: opening one, listing them, and what there is to know about one now or at any time in the past."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from ledger.api.dependencies import Needs
from ledger.api.idempotency import Once
from ledger.api.parameters import Cursor, Limit, Time
from ledger.api.writes import Write, perform
from ledger.core.calendar import month_of, ms_of
from ledger.reports.amounts import balance_text
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.cursors import InvalidCursor, decode, encode, split
from ledger.service.resources import Resources
from ledger.views import accounts as views
from ledger.web.dependencies import ResourcesOf
from schemas.events import AccountOpened, Opening
from schemas.fields import AccountId
from schemas.http import Account, Balance, Limits, NewAccount, Package, Page, Pending, TopUpSummary, Traces
from schemas.money import format_nanos

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
Reader = Annotated[Caller, Depends(Needs("accounts:read"))]
Writer = Annotated[Caller, Depends(Needs("accounts:write"))]
AccountPath = Annotated[AccountId, Path(examples=["acct_42"])]


@router.post("", status_code=201, response_model=Account, responses={202: {"model": Pending}})
async def open_account(body: NewAccount, resources: ResourcesOf, caller: Writer, asked: Once) -> Response:
    """Open an account. Usage of an unknown account opens it, too, with the default package."""
    caller.reach(body.account_id)

    async def answer(event_id: str) -> Account:
        return _answer(resources, await _known(resources, body.account_id))

    def data(_: str) -> Opening:
        return Opening(package=body.package)

    return await perform(resources, caller, asked, Write(AccountOpened, body.account_id, data, 201, answer))


@router.get("")
async def list_accounts(
    resources: ResourcesOf, caller: Reader, cursor: Cursor = None, limit: Limit = 50
) -> Page[Account]:
    """Accounts in the order of their ids; an account's own key sees that one."""
    if caller.account_id:
        async with resources.pool.connection() as connection:
            own = await views.account(connection, caller.account_id)
        return Page(data=[_answer(resources, own)] if own else [])
    after = decode(cursor) if cursor else ""
    if "\0" in after:
        raise InvalidCursor(field="cursor")
    async with resources.pool.connection() as connection:
        rows, last = split(await views.accounts(connection, after, limit + 1), limit)
    return Page(data=[_answer(resources, row) for row in rows], next_cursor=encode(last.account_id) if last else None)


@router.get("/{account_id}")
async def get_account(account_id: AccountPath, resources: ResourcesOf, caller: Reader) -> Account:
    """One account: balance, level, package, traces of this UTC month, auto top-up."""
    caller.reach(account_id)
    return _answer(resources, await _known(resources, account_id))


@router.get("/{account_id}/balance")
async def get_balance(
    account_id: AccountPath,
    resources: ResourcesOf,
    caller: Reader,
    at: Annotated[Time | None, Query(description="RFC 3339: the balance at that moment of the log.")] = None,
) -> Balance:
    """The balance now, or at any time in the past; `as_of` says up to when every event is counted."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        now = await views.balance(connection, account_id)
        if now is None:
            raise AccountUnknown(account_id, field="account_id")
        if at is None:
            return _balance(account_id, now.balance, now.held, now.through)
        # Read after the progress was, so that everything up to `as_of` is in it.
        return _balance(
            account_id,
            await views.balance_at(connection, account_id, at),
            0,  # holds have no past
            min(at, now.through) if now.through else None,
        )


async def _known(resources: Resources, account_id: str) -> views.Account:
    async with resources.pool.connection() as connection:
        found = await views.account(connection, account_id)
    if found is None:
        raise AccountUnknown(account_id, field="account_id")
    return found


def _balance(account_id: str, balance: int, held: int, through: datetime | None) -> Balance:
    return Balance(
        account_id=account_id,
        balance=format_nanos(balance),
        held=format_nanos(held),
        available=format_nanos(balance - held),
        as_of=through,
    )


def _answer(resources: Resources, row: views.Account) -> Account:
    now_ms = ms_of(datetime.now(UTC))
    month = month_of(now_ms)
    versions = resources.book.last.versions
    included = resources.book.last.at(now_ms).packages.get(row.package) if versions else None
    return Account(
        account_id=row.account_id,
        balance=format_nanos(row.balance),
        balance_text=balance_text(row.balance),
        held=format_nanos(row.held),
        available=format_nanos(row.balance - row.held),
        level=row.level,
        package=Package(name=row.package, included_traces=included),
        traces=Traces(
            month=f"{month // 100}-{month % 100:02}",
            used=row.month_traces if row.month == month else 0,
            included=included,
        ),
        auto_top_up=TopUpSummary(enabled=bool(row.top_up_enabled), state=row.state, reason=row.reason),
        limits=Limits(),
        as_of=row.through,
    )
