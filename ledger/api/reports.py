"""Routes: the month's report for finance, as JSON and as a CSV file."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from ledger.api.dependencies import Needs
from ledger.csv_text import csv_text
from ledger.reports.month_formats import csv_rows
from ledger.service.caller import Caller
from ledger.service.reports import month_report
from ledger.web.csv import CsvFile, saved_as
from ledger.web.dependencies import ResourcesOf
from schemas.http import MonthReportAnswer

router = APIRouter(prefix="/v1/reports", tags=["reports"])
MonthPath = Annotated[str, Path(description="A UTC month.", examples=["2026-11"])]
Reader = Annotated[Caller, Depends(Needs("reports:read"))]


# Before the route below, whose {month} would also match "2026-11.csv".
@router.get("/months/{month}.csv", response_class=CsvFile)
async def export_month(month: MonthPath, resources: ResourcesOf, caller: Reader) -> CsvFile:
    """The month's report as a CSV file, one figure per row."""
    rows = csv_rows(await month_report(resources, caller, month))
    return CsvFile(csv_text(rows), headers=saved_as(f"ledger-{month}.csv"))


@router.get("/months/{month}")
async def get_month(month: MonthPath, resources: ResourcesOf, caller: Reader) -> MonthReportAnswer:
    """The report of a UTC month by the log's time: credits, usage and margin by provider, money by provider."""
    return await month_report(resources, caller, month)
