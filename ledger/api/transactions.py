"""Routes: the history of an account as a list, as a CSV file of any length, summed up, and one charge explained."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from ledger.api.accounts import AccountPath, Reader
from ledger.api.parameters import Cursor, Limit, Time
from ledger.service import history
from ledger.service.history import View
from ledger.views.history import BEGINNING, END, HistoryFilter
from ledger.web.csv import CsvStream, history_csv
from ledger.web.dependencies import ResourcesOf
from schemas.fields import AccountId, Token
from schemas.http import ExplainedTransaction, Page, Transaction, UsageGroup

router = APIRouter(prefix="/v1", tags=["transactions"])
By = Literal["day", "model", "api_key"]
# Before it there is no usage, and less than 30 days before the first of all days there is no day.
Day = Annotated[date, Field(ge=date(1970, 1, 1))]


async def _filters(
    view: Annotated[View, Query(description="`purchases`: purchases of credits only.")] = "activity",
    type_: Annotated[
        str | None,
        Query(alias="type", description="activity: checkout, deduction, manual; purchases: Purchase, Auto Top-up."),
    ] = None,
    model: Token | None = None,
    api_key_id: Token | None = None,
    from_: Annotated[Time, Query(alias="from", description="From this moment of the log on.")] = BEGINNING,
    to: Annotated[Time, Query(description="Up to, not including, this moment of the log.")] = END,
) -> HistoryFilter:
    """What the filters of a request ask for."""
    return history.filters(view, type_, model, api_key_id, from_, to)


Filters = Annotated[HistoryFilter, Depends(_filters)]


@router.get("/accounts/{account_id}/transactions")
async def list_transactions(
    account_id: AccountPath,
    resources: ResourcesOf,
    caller: Reader,
    wanted: Filters,
    view: View = "activity",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Transaction]:
    """Every transaction, newest first: credits that were added, charges, and corrections by hand."""
    return await history.list_transactions(resources, caller, account_id, wanted, view, cursor, limit)


@router.get("/accounts/{account_id}/transactions.csv", response_class=CsvStream)
async def export_transactions(
    account_id: AccountPath, resources: ResourcesOf, caller: Reader, wanted: Filters, view: View = "activity"
) -> CsvStream:
    """The whole history as a CSV file, newest first, with the filters of the list; amounts are decimal credits."""
    return history_csv(account_id, await history.export_lines(resources, caller, account_id, wanted), view)


@router.get("/transactions/{event_id}")
async def explain_transaction(
    event_id: UUID,
    resources: ResourcesOf,
    caller: Reader,
    account_id: Annotated[AccountId | None, Query(description="Chooses when several accounts have this id.")] = None,
    signed: Annotated[bool | None, Query(description="Chooses between a router's event and ours.")] = None,
) -> ExplainedTransaction:
    """One charge explained: tokens, price lines, cost, markup, version of the book, place on the log."""
    return await history.explain_transaction(resources, caller, event_id, account_id, signed)


@router.get("/accounts/{account_id}/usage-summary")
async def summarize_usage(
    account_id: AccountPath,
    resources: ResourcesOf,
    caller: Reader,
    from_: Annotated[
        Day | None, Query(alias="from", description="First UTC day; 30 days before `to` if absent.")
    ] = None,
    to: Annotated[Day | None, Query(description="The UTC day after the last; tomorrow if absent.")] = None,
    group_by: Annotated[list[By] | None, Query(description="Any of day, model, api_key; all if absent.")] = None,
) -> Page[UsageGroup]:
    """Requests, tokens, cost and charge by UTC day of the log, model and API key; newest first."""
    by = group_by or ("day", "model", "api_key")
    return await history.summarize_usage(resources, caller, account_id, from_, to, by)
