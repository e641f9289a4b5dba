"""The report of a month, made of figures that one snapshot of the views gives."""

from ledger.core.book_versions import Book
from ledger.core.calendar import month_bounds
from ledger.log.book import BookEmpty
from ledger.postgres.types import AsyncConnection
from ledger.reports.month_report import MonthReport, month_report
from ledger.views.months import read_month, snapshot


async def report_of_month(connection: AsyncConnection, month: str, book: Book) -> MonthReport:
    """The report of a month, "2026-11"; `book` prices free traces. The connection is in no transaction.

    Raises NotAMonth, MonthNotBegun, MonthDoesNotClose, or BookEmpty when an entry's version is not in the book.
    """
    since, until = month_bounds(month)
    async with snapshot(connection):
        figures = await read_month(connection, month, since, until)
    if any((sums.book_version or 0) > len(book.versions) for sums in figures.sums):
        raise BookEmpty()
    return month_report(figures, book)
