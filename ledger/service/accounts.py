"""Accounts: one is opened, they are listed, and what there is to know of one, now or at any time in the past."""

from datetime import UTC, datetime

from ledger.core.calendar import counted_in, month_of, ms_of
from ledger.reports.amounts import balance_text
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.cursors import InvalidCursor, decode, encode, split
from ledger.service.idempotency import RequestIdentity
from ledger.service.resources import Resources
from ledger.service.transactions import transaction_of
from ledger.service.writes import Write, existing_account, perform, posted
from ledger.views import accounts as views
from schemas.events import AccountOpened, Adjustment, CreditsAdjusted, Opening
from schemas.http import (
    AccountAnswer,
    Balance,
    Limits,
    NewAccount,
    NewAdjustment,
    Package,
    Page,
    Pending,
    TopUpSummary,
    Traces,
    Transaction,
)
from schemas.money import format_nanos


async def open_account(
    resources: Resources, caller: Caller, new: NewAccount, identity: RequestIdentity | None = None
) -> AccountAnswer | Pending:
    """Opens an account with a package. Raises AccountUnknown for another account than the caller's own."""
    caller.reach(new.account_id)

    async def value(event_id: str) -> AccountAnswer:
        return _shown(resources, await account_row(resources, caller, new.account_id))

    def data(_: str) -> Opening:
        return Opening(package=new.package)

    return await perform(resources, caller, identity, Write(AccountOpened, new.account_id, data, AccountAnswer, value))


async def adjust(
    resources: Resources,
    caller: Caller,
    account_id: str,
    new: NewAdjustment,
    identity: RequestIdentity | None = None,
) -> Transaction | Pending:
    """Corrects a balance: adds credits, or takes some away. The log says which key did it, and for which reason."""
    await existing_account(resources, caller, account_id)

    async def value(event_id: str) -> Transaction:
        return transaction_of(await posted(resources, event_id, account_id))

    def data(actor_id: str) -> Adjustment:
        return Adjustment(amount=new.amount, reason_code=new.reason_code, actor_id=actor_id)

    return await perform(resources, caller, identity, Write(CreditsAdjusted, account_id, data, Transaction, value))


async def list_accounts(resources: Resources, caller: Caller, cursor: str | None, limit: int) -> Page[AccountAnswer]:
    """Accounts in the order of their ids. A key of one account sees that one. Raises InvalidCursor."""
    if caller.account_id:
        async with resources.pool.connection() as connection:
            own = await views.account(connection, caller.account_id)
        return Page(data=[_shown(resources, own)] if own else [])
    after = decode(cursor) if cursor else ""
    if "\0" in after:
        raise InvalidCursor(field="cursor")
    async with resources.pool.connection() as connection:
        rows, last = split(await views.accounts(connection, after, limit + 1), limit)
    return Page(data=[_shown(resources, row) for row in rows], next_cursor=encode(last.account_id) if last else None)


async def get_account(resources: Resources, caller: Caller, account_id: str) -> AccountAnswer:
    """Balance, level, package, traces of this UTC month, auto top-up. Raises AccountUnknown."""
    caller.reach(account_id)
    return _shown(resources, await account_row(resources, caller, account_id))


async def get_balance(resources: Resources, caller: Caller, account_id: str, at: datetime | None = None) -> Balance:
    """The balance now, or `at` any time in the past; `as_of`: up to when every event is counted."""
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


async def account_row(resources: Resources, caller: Caller, account_id: str) -> views.AccountRow:
    """The row of the views, amounts in nanos. Raises AccountUnknown."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        found = await views.account(connection, account_id)
    if found is None:
        raise AccountUnknown(account_id, field="account_id")
    return found


async def balance_now(resources: Resources, account_id: str) -> int:
    """The balance in nanos, for anybody who may see it without a key; 0 while the views lack the account."""
    async with resources.pool.connection() as connection:
        now = await views.balance(connection, account_id)
    return now.balance if now else 0


def _balance(account_id: str, balance: int, held: int, through: datetime | None) -> Balance:
    return Balance(
        account_id=account_id,
        balance=format_nanos(balance),
        held=format_nanos(held),
        available=format_nanos(balance - held),
        as_of=through,
    )


def _shown(resources: Resources, row: views.AccountRow) -> AccountAnswer:
    now_ms = ms_of(datetime.now(UTC))
    month = month_of(now_ms)
    versions = resources.book.last.versions
    included = resources.book.last.at(now_ms).packages.get(row.package) if versions else None
    return AccountAnswer(
        account_id=row.account_id,
        balance=format_nanos(row.balance),
        balance_text=balance_text(row.balance),
        held=format_nanos(row.held),
        available=format_nanos(row.balance - row.held),
        level=row.level,
        package=Package(name=row.package, included_traces=included),
        traces=Traces(
            month=f"{month // 100}-{month % 100:02}",
            used=counted_in(month, row.month, row.month_traces),
            included=included,
        ),
        auto_top_up=TopUpSummary(enabled=bool(row.top_up_enabled), state=row.state, reason=row.reason),
        limits=Limits(),
        as_of=row.through,
    )
