"""The progress of the views: per partition the offset and log time up to which they are true; and the outbox."""

from datetime import datetime
from typing import Literal, NamedTuple, get_args

from ledger.postgres.types import AsyncConnection
from ledger.views.queries import SQL, fetch_all, fetch_one
from schemas.states import RecordOutcome

# The outcomes of a record; and the type of an unreadable one.
OUTCOMES: tuple[RecordOutcome, ...] = get_args(RecordOutcome)
UNREADABLE = "unreadable"


class Progress(NamedTuple):
    """`log_end`: where the log ended when a projector last asked. `waits_for`: what it can't be folded beyond."""

    partition: int
    next_offset: int
    log_end: int | None
    through: datetime | None
    waits_for: Literal["transaction", "unreadable"] | None = None
    waits_since: datetime | None = None
    waits_detail: str | None = None


class Refusal(NamedTuple):
    """Why a record was not applied."""

    code: str
    reason: str
    field: str | None


class RecordCount(NamedTuple):
    """How many records of a type had an outcome."""

    type: str
    outcome: RecordOutcome
    records: int


class Outbox(NamedTuple):
    """The messages that are folded and not published yet."""

    waiting: int
    oldest_seconds: float
    refused: int


async def progress(connection: AsyncConnection) -> list[Progress]:
    """Every partition that a projector has begun."""
    return await fetch_all(connection, Progress, "progress")


async def offsets(connection: AsyncConnection) -> dict[int, int]:
    """The offset up to which each partition is folded."""
    return dict(await (await connection.execute(SQL["offsets"])).fetchall())


async def refusal(connection: AsyncConnection, topic: str, partition: int, offset: int) -> Refusal | None:
    """Why the record there was not applied; None when it was. `topic` with the deployment's prefix."""
    where = {"topic": topic, "partition": partition, "offset": offset}
    return await fetch_one(connection, Refusal, "dead_letter", where)


async def record_counts(connection: AsyncConnection) -> list[RecordCount]:
    """The outcomes of all records, by event type."""
    return await fetch_all(connection, RecordCount, "record_counts")


async def outbox(connection: AsyncConnection) -> Outbox:
    """What waits to be published."""
    return await fetch_one(connection, Outbox, "outbox_waiting", {}) or Outbox(0, 0, 0)
