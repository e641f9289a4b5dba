"""Reports for finance over all accounts: the month, as JSON and as a CSV file."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from ledger.api.auth import Caller, Needs
from ledger.api.errors import ApiError
from ledger.api.parts import Parts, PartsOf
from ledger.core.month_statement import answer_of, csv_rows
from ledger.csv_text import MEDIA_TYPE, csv_text
from ledger.views.months import report_of_month
from schemas.http import MonthReportAnswer

router = APIRouter(prefix="/v1/reports", tags=["reports"])
MonthPath = Annotated[str, Path(description="A UTC month.", examples=["2026-11"])]


class CsvFile(Response):
    """A CSV file to be saved."""

    media_type = MEDIA_TYPE


async def _operator(caller: Annotated[Caller, Depends(Needs("reports:read"))]) -> Caller:
    if caller.account_id:
        raise ApiError(403, "operator_only", "Reports are over all accounts; this key is of one account.")
    return caller


Operator = Annotated[Caller, Depends(_operator)]


# Before the route below, whose {month} would also match "2026-11.csv".
@router.get("/months/{month}.csv", response_class=CsvFile)
async def export_month(month: MonthPath, parts: PartsOf, caller: Operator) -> CsvFile:
    """The same report as a CSV file, one figure per row."""
    text = csv_text(csv_rows(await _report(parts, month)))
    return CsvFile(text, headers={"Content-Disposition": f'attachment; filename="ledger-{month}.csv"'})


@router.get("/months/{month}")
async def get_month(month: MonthPath, parts: PartsOf, caller: Operator) -> MonthReportAnswer:
    """The report of a UTC month by the log's time: credits, usage and margin by provider, money by provider."""
    return await _report(parts, month)


async def _report(parts: Parts, month: str) -> MonthReportAnswer:
    async with parts.pool.connection() as connection:
        return answer_of(await report_of_month(connection, month, parts.book.last))
