"""Accounts and their balances as they are projected: amounts in nanos, and up to which moment they are true."""

from datetime import datetime
from typing import NamedTuple

from ledger.postgres.types import AsyncConnection
from ledger.views.queries import SQL, fetch_all, fetch_one
from schemas.events import Sizing
from schemas.states import TopUpState


class Balance(NamedTuple):
    """`through`: every event up to this moment is counted."""

    account_id: str
    balance: int
    held: int
    through: datetime | None


class AccountRow(NamedTuple):
    """One account. `top_up_*`: its policy, None without one. Days and months: those in which the counters counted."""

    account_id: str
    balance: int
    held: int
    level: str
    through: datetime | None
    package: str
    month: int
    month_traces: int
    top_up_enabled: bool | None
    top_up_threshold: int | None
    top_up_amount: int | None
    top_up_sizing: Sizing | None
    top_up_cap_day: int | None
    top_up_cap_month: int | None
    top_up_provider: str | None
    payment_method_id: str | None
    state: TopUpState
    reason: str | None
    trigger_id: str | None
    day: int
    day_spent: int
    spent_month: int
    month_spent: int


async def balance(connection: AsyncConnection, account_id: str) -> Balance | None:
    """The balance now, or None for an unknown account."""
    return await fetch_one(connection, Balance, "balance", {"account_id": account_id})


async def balance_at(connection: AsyncConnection, account_id: str, at: datetime) -> int:
    """The balance after the last entry up to a moment, 0 before the first."""
    cursor = await connection.execute(SQL["balance_at"], {"account_id": account_id, "at": at})
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def account(connection: AsyncConnection, account_id: str) -> AccountRow | None:
    """An account, or None for an unknown one."""
    return await fetch_one(connection, AccountRow, "account", {"account_id": account_id})


async def accounts(connection: AsyncConnection, after: str, limit: int) -> list[AccountRow]:
    """Accounts in the order of their ids, from the one that follows `after`."""
    return await fetch_all(connection, AccountRow, "accounts", {"after": after, "limit": limit})
