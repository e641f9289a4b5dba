"""Reports for finance over all accounts: the month, as JSON and as a CSV file."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from ledger.api.dependencies import Needs
from ledger.csv_text import MEDIA_TYPE, csv_text
from ledger.reports.month import report_of_month
from ledger.reports.month_formats import answer_of, csv_rows
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from ledger.web.dependencies import ResourcesOf
from ledger.web.errors import ApiError
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
async def export_month(month: MonthPath, resources: ResourcesOf, caller: Operator) -> CsvFile:
    """The same report as a CSV file, one figure per row."""
    text = csv_text(csv_rows(await _report(resources, month)))
    return CsvFile(text, headers={"Content-Disposition": f'attachment; filename="ledger-{month}.csv"'})


@router.get("/months/{month}")
async def get_month(month: MonthPath, resources: ResourcesOf, caller: Operator) -> MonthReportAnswer:
    """The report of a UTC month by the log's time: credits, usage and margin by provider, money by provider."""
    return await _report(resources, month)


async def _report(resources: Resources, month: str) -> MonthReportAnswer:
    async with resources.pool.connection() as connection:
        return answer_of(await report_of_month(connection, month, resources.book.last))
