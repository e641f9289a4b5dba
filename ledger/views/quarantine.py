"""Usage that was kept aside, because its charge was not plausible, and waits for an operator."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.postgres.types import AsyncConnection
from ledger.views.history import HistoryLine
from ledger.views.queries import fetch_all, fetch_one
from schemas.states import QuarantineDecision


class Quarantined(NamedTuple):
    """`charge`: what it would have been charged, in nanos. `decision` None: it waits."""

    account_id: str
    event_id: str
    signed: bool
    log_time: datetime
    charge: int
    decision: QuarantineDecision | None


class Waiting(NamedTuple):
    """How many wait, and how old the oldest is."""

    waiting: int
    oldest_seconds: float


async def waiting(
    connection: AsyncConnection, account_id: str | None, after: tuple[datetime, str, str], limit: int
) -> list[Quarantined]:
    """Usage that waits, oldest first, after a place; of one account only if named."""
    time, account, event = after
    parameters = {
        "account_id": account_id,
        "after_time": time,
        "after_account": account,
        "after_event": event,
        "limit": limit,
    }
    return await fetch_all(connection, Quarantined, "quarantine", parameters)


async def find(connection: AsyncConnection, account_id: str, event_id: str) -> list[Quarantined]:
    """The usage with this id: none, one, or two if the id was used with and without a signature."""
    return await fetch_all(connection, Quarantined, "quarantined", {"account_id": account_id, "event_id": event_id})


async def lines_of(connection: AsyncConnection, rows: Sequence[Quarantined]) -> list[HistoryLine]:
    """The entry of each, in their order."""
    keys = [(row.account_id, row.event_id, row.signed) for row in rows]
    accounts, events, signed = ([key[place] for key in keys] for place in range(3))
    parameters = {"accounts": accounts, "events": events, "signed": signed}
    found = await fetch_all(connection, HistoryLine, "quarantined_lines", parameters)
    by_key = {(line.account_id, line.event_id, line.signed): line for line in found}
    return [by_key[key] for key in keys]


async def count(connection: AsyncConnection) -> Waiting:
    """How much waits."""
    return await fetch_one(connection, Waiting, "quarantine_waiting", {}) or Waiting(0, 0)
