"""Auto top-up over all accounts, for periodic work: caps that open, triggers without a charger, overdue charges."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ledger.core.calendar import day_of, month_of, ms_of
from ledger.postgres.types import Connection
from ledger.sql import statements
from schemas.effects import Window

SQL = statements("ledger.views", "top_ups.sql")
KINDS = ("trigger", "unavailable", "attempt", "payment", "in_flight", "checkout", "outbox")
STATES = ("due", "sent", "pending", "canceling")


class UnattendedTrigger(NamedTuple):
    """An account in flight with a trigger that no charger knows. `credits` in nanos.

    `since`: when it triggered, or when its policy was last set.
    """

    account_id: str
    trigger_id: str
    credits: int
    provider: str | None
    method_id: str | None
    since: datetime


class OpenTopUps(NamedTuple):
    """How many there are, and the age of the oldest."""

    number: int = 0
    oldest_seconds: float = 0.0


def opened_caps(connection: Connection, now: datetime) -> list[tuple[str, Window]]:
    """Capped accounts whose window, by this clock, is over."""
    parameters = {"day": day_of(ms_of(now)), "month": month_of(ms_of(now))}
    return connection.execute(SQL["opened_caps"], parameters).fetchall()


def unattended(connection: Connection) -> list[UnattendedTrigger]:
    """Accounts in flight with a trigger that no charger has."""
    return [UnattendedTrigger(*row) for row in connection.execute(SQL["unattended"])]


def suspended(connection: Connection, accounts: Sequence[str]) -> list[tuple[str, int, str]]:
    """Those of the accounts that are suspended, since which entry, and why."""
    return connection.execute(SQL["suspended"], {"accounts": list(accounts)}).fetchall()


def open_(connection: Connection, now: datetime) -> dict[str, OpenTopUps]:
    """Top-ups that are not over, by the state of their charge."""
    return _by_name(STATES, connection.execute(SQL["open"], {"now": now}))


def overdue(connection: Connection, now: datetime) -> dict[str, OpenTopUps]:
    """The charges that are overdue, by kind."""
    return _by_name(KINDS, connection.execute(SQL["overdue"], {"now": now}))


def _by_name(names: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> dict[str, OpenTopUps]:
    return dict.fromkeys(names, OpenTopUps()) | {name: OpenTopUps(number, age) for name, number, age in rows}
