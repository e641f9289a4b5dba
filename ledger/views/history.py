"""An account's history, newest first, in pages; as fast for an account with many entries as for one with few.

A page begins before a position (log time, sequence number). Later rows do not move it, so a reader that follows the
positions gets every row exactly once.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from ledger.core.activity import event_types
from ledger.postgres.types import AsyncConnection
from ledger.views.queries import fetch_all

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)
_MONEY = frozenset({"credits.purchased", "credits.refunded", "dispute.opened", "dispute.closed", "credits.adjusted"})


class HistoryPosition(NamedTuple):
    """A position between two lines of a history: older lines come after it."""

    log_time: datetime
    seq: int


class HistoryLine(NamedTuple):
    """One entry, amounts in nanos. `data`: the event's data, of usage only its metadata."""

    event_id: str
    account_id: str
    signed: bool
    type: str
    seq: int
    log_time: datetime
    occurred_at: datetime | None
    source: str
    amount: int
    balance_after: int
    cost: int
    book_version: int
    rules: int
    partition: int
    log_offset: int
    request_id: str | None
    provider: str | None
    model: str | None
    mode: str | None
    api_key_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    units: dict[str, int | str] | None
    attributes: dict[str, str] | None
    provider_cost: str | None
    extra_cost: str | None
    own_key: bool | None
    free_traces: int | None
    currency: str | None
    clearing_minor: int | None
    data: dict[str, Any] | None

    @property
    def place(self) -> HistoryPosition:
        """Where the next page begins if this line is the last of its page."""
        return HistoryPosition(self.log_time, self.seq)


class HistoryFilter(NamedTuple):
    """Which lines: of these event types, from `since` on, before a place; of one model or API key only if named."""

    types: tuple[str, ...]
    purchase_kind: str | None = None
    model: str | None = None
    api_key_id: str | None = None
    since: datetime = BEGINNING
    before: HistoryPosition = HistoryPosition(END, 0)


async def history(connection: AsyncConnection, account_id: str, wanted: HistoryFilter, limit: int) -> list[HistoryLine]:
    """At most `limit` lines, newest first."""
    parameters = {
        **wanted._asdict(),
        "types": list(wanted.types),
        "account_id": account_id,
        "before_time": wanted.before.log_time,
        "before_seq": wanted.before.seq,
        "limit": limit,
    }
    del parameters["before"]
    if wanted.model is None and wanted.api_key_id is None:
        statement = "history_of_money" if _MONEY.issuperset(wanted.types) else "history"
    elif "usage.recorded" in wanted.types:
        statement = "history_of_usage"
    else:
        return []
    return await fetch_all(connection, HistoryLine, statement, parameters)


async def entries(
    connection: AsyncConnection, event_id: str, account_id: str | None = None, signed: bool | None = None
) -> list[HistoryLine]:
    """The lines of a history that have this id: none, one, or two when it is ambiguous."""
    parameters = {"event_id": event_id, "account_id": account_id, "signed": signed, "types": list(event_types())}
    return await fetch_all(connection, HistoryLine, "entry", parameters)
