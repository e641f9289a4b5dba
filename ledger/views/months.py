"""Reads what the report of a month is made of, in one snapshot of the views."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from psycopg.rows import dict_row

from ledger.core.book import Book
from ledger.core.calendar import month_bounds, ms_of
from ledger.core.entry import EntrySums
from ledger.core.month_report import Clearing, Days, Liability, MonthReport, Read, month_report
from ledger.log.book import BookEmpty
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


async def report_of_month(connection: AsyncConnection, month: str, book: Book) -> MonthReport:
    """The report of a month, "2026-11"; `book` prices free traces. The connection is in no transaction.

    Raises NotAMonth, MonthNotBegun, MonthDoesNotClose, or BookEmpty when an entry's version is not in the book.
    """
    since, until = month_bounds(month)
    async with connection.transaction():
        await connection.execute(_BEGIN)
        read = await read_month(connection, month, since, until)
    if any((sums.book_version or 0) > len(book.versions) for sums in read.sums):
        raise BookEmpty()
    return month_report(read, book)


async def read_month(connection: AsyncConnection, month: str, since: datetime, until: datetime) -> Read:
    """What the report of the month between two moments is made of; the caller holds the snapshot."""
    bounds = {"since": since, "until": until}
    throughs = [partition.through for partition in await progress(connection)]
    known = [through for through in throughs if through is not None]
    return Read(
        month,
        since,
        until,
        min(known) if known and len(known) == len(throughs) else None,
        await _liability(connection, since),
        await _liability(connection, until),
        await _rows(connection, EntrySums, "sums", bounds),
        await _rows(connection, Days, "days", bounds),
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
