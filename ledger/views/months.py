"""The figures that the report of a month is made of, read from the views."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from psycopg.rows import dict_row

from ledger.core.calendar import ms_of
from ledger.core.entry import EntrySums
from ledger.postgres.types import AsyncConnection
from ledger.sql import statements
from ledger.views.progress import progress

SQL = statements("ledger.views", "months.sql")
Row = TypeVar("Row")
# A snapshot for all statements; more time than other requests have, and room to sum a month up without sorting it.
_BEGIN = b"""
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL statement_timeout = '120s';
SET LOCAL work_mem = '64MB'
"""


class Liability(NamedTuple):
    """The sums of all balances, in nanos: `held` above zero, `owed` below it; and of how many accounts."""

    held: int
    owed: int
    accounts_holding: int
    accounts_owing: int

    @property
    def total(self) -> int:
        """Our debt to customers minus theirs to us."""
        return self.held + self.owed


class UsageSums(NamedTuple):
    """Usage by the sums per day, of one model provider; "": of traces."""

    provider: str
    requests: int
    traces: int
    free_traces: int
    cost: int
    charge: int


class Clearing(NamedTuple):
    """The balance of a clearing account at the month's beginning and end, in minor units."""

    provider: str
    currency: str
    opening: int
    closing: int


class MonthFigures(NamedTuple):
    """The figures that the report of a month is made of. `through`: up to when every event is counted."""

    month: str
    since: datetime
    until: datetime
    through: datetime | None
    opening: Liability
    closing: Liability
    sums: Sequence[EntrySums]
    days: Sequence[UsageSums]
    clearing: Sequence[Clearing]


@contextlib.asynccontextmanager
async def snapshot(connection: AsyncConnection) -> AsyncIterator[None]:
    """All statements of the block see the views as they are now. The connection is in no transaction."""
    async with connection.transaction():
        await connection.execute(_BEGIN)
        yield


async def read_month(connection: AsyncConnection, month: str, since: datetime, until: datetime) -> MonthFigures:
    """What the report of the month between two moments is made of; the caller holds the snapshot."""
    bounds = {"since": since, "until": until}
    throughs = [partition.through for partition in await progress(connection)]
    known = [through for through in throughs if through is not None]
    return MonthFigures(
        month,
        since,
        until,
        min(known) if known and len(known) == len(throughs) else None,
        await _liability(connection, since),
        await _liability(connection, until),
        await _rows(connection, EntrySums, "sums", bounds),
        await _rows(connection, UsageSums, "days", bounds),
        await _rows(connection, Clearing, "clearing", bounds),
    )


async def _liability(connection: AsyncConnection, at: datetime) -> Liability:
    (liability,) = await _rows(connection, Liability, "liability", {"at": at, "at_ms": ms_of(at)})
    return liability


async def _rows(connection: AsyncConnection, kind: type[Row], name: str, parameters: Mapping[str, Any]) -> list[Row]:
    """Rows as values. Postgres' sums of integers are numeric, since they may be larger than its integers."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        rows = await (await cursor.execute(SQL[name], parameters)).fetchall()
    return [kind(**{name: _whole(value) for name, value in row.items()}) for row in rows]


def _whole(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else int(value)
