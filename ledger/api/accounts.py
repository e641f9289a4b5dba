"""Accounts: opening one, listing them, and what there is to know about one now or at any time in the past."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from ledger.api.auth import Caller, Needs
from ledger.api.cursors import Cursor, Limit, Time, decode, encode, split
from ledger.api.errors import AccountUnknown, InvalidCursor
from ledger.api.idempotency import Once
from ledger.api.parts import Parts, PartsOf
from ledger.api.writes import Write, perform
from ledger.core.calendar import month_of, ms_of
from ledger.core.statement import balance_text
from ledger.views import accounts as views
from schemas.events import AccountOpened, Opening
from schemas.fields import AccountId
from schemas.http import Account, Balance, Limits, NewAccount, Package, Page, Pending, TopUpSummary, Traces
from schemas.money import format_nanos

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
Reader = Annotated[Caller, Depends(Needs("accounts:read"))]
Writer = Annotated[Caller, Depends(Needs("accounts:write"))]
AccountPath = Annotated[AccountId, Path(examples=["acct_42"])]


@router.post("", status_code=201, response_model=Account, responses={202: {"model": Pending}})
async def open_account(body: NewAccount, parts: PartsOf, caller: Writer, asked: Once) -> Response:
    """Open an account. Usage of an unknown account opens it, too, with the default package."""
    caller.reach(body.account_id)

    async def answer(event_id: str) -> Account:
        return _answer(parts, await _known(parts, body.account_id))

    def data(_: str) -> Opening:
        return Opening(package=body.package)

    return await perform(parts, caller, asked, Write(AccountOpened, body.account_id, data, 201, answer))


@router.get("")
async def list_accounts(parts: PartsOf, caller: Reader, cursor: Cursor = None, limit: Limit = 50) -> Page[Account]:
    """Accounts in the order of their ids; an account's own key sees that one."""
    if caller.account_id:
        async with parts.pool.connection() as connection:
            own = await views.account(connection, caller.account_id)
        return Page(data=[_answer(parts, own)] if own else [])
    after = decode(cursor) if cursor else ""
    if "\0" in after:
        raise InvalidCursor(field="cursor")
    async with parts.pool.connection() as connection:
        rows, last = split(await views.accounts(connection, after, limit + 1), limit)
    return Page(data=[_answer(parts, row) for row in rows], next_cursor=encode(last.account_id) if last else None)


@router.get("/{account_id}")
async def get_account(account_id: AccountPath, parts: PartsOf, caller: Reader) -> Account:
    """One account: balance, level, package, traces of this UTC month, auto top-up."""
    caller.reach(account_id)
    return _answer(parts, await _known(parts, account_id))


@router.get("/{account_id}/balance")
async def get_balance(
    account_id: AccountPath,
    parts: PartsOf,
    caller: Reader,
    at: Annotated[Time | None, Query(description="RFC 3339: the balance at that moment of the log.")] = None,
) -> Balance:
    """The balance now, or at any time in the past; `as_of` says up to when every event is counted."""
    caller.reach(account_id)
    async with parts.pool.connection() as connection:
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


async def _known(parts: Parts, account_id: str) -> views.Account:
    async with parts.pool.connection() as connection:
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


def _answer(parts: Parts, row: views.Account) -> Account:
    now_ms = ms_of(datetime.now(UTC))
    month = month_of(now_ms)
    versions = parts.book.last.versions
    included = parts.book.last.at(now_ms).packages.get(row.package) if versions else None
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
