"""Reports for finance over all accounts: a month's credits, usage, margin and money."""

from ledger.core.book_versions import Book
from ledger.core.errors import LedgerError
from ledger.postgres.types import AsyncConnection
from ledger.reports import month as reports
from ledger.reports.month_formats import answer_of
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from schemas.http import MonthReportAnswer


class OperatorOnly(LedgerError):
    message = "Reports are over all accounts; this key is of one account"


async def month_report(resources: Resources, caller: Caller, month: str) -> MonthReportAnswer:
    """The report of a UTC month by the log's time, such as "2026-11".

    Raises OperatorOnly, and what `report_of_month` raises.
    """
    if caller.account_id:
        raise OperatorOnly()
    async with resources.pool.connection() as connection:
        return await report_of_month(connection, month, resources.book.last)


async def report_of_month(connection: AsyncConnection, month: str, book: Book) -> MonthReportAnswer:
    """`month_report` over the caller's connection. Raises NotAMonth, MonthNotBegun, MonthDoesNotClose, BookEmpty."""
    return answer_of(await reports.report_of_month(connection, month, book))
