"""The history of an account as one CSV file of any length, in bounded memory.

It is read page after page, newest first, and holds neither a transaction nor a connection while the client reads. It is
a snapshot all the same: lines of a history never change, and new ones stand before the first page.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from ledger.api.accounts import AccountPath, Reader
from ledger.api.transactions import View, filtered
from ledger.core.calendar import utc_text
from ledger.csv_text import MEDIA_TYPE, Cell, csv_text
from ledger.service.caller import AccountUnknown
from ledger.service.resources import Resources
from ledger.service.transactions import transaction_fields
from ledger.views.accounts import balance
from ledger.views.history import Line, Wanted, history
from ledger.web.dependencies import ResourcesOf

router = APIRouter(prefix="/v1", tags=["transactions"])

COLUMNS = (
    *("time", "type", "description", "amount", "balance_after", "event_id", "event_type", "occurred_at"),
    *("request_id", "provider", "model", "mode", "api_key_id"),
    *("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "traces", "free_traces"),
    *("purchase_id", "currency", "amount_minor", "reason_code"),
)
# Small enough that other requests don't wait for one page to be written out.
_PAGE = 500


class CsvResponse(StreamingResponse):
    """A CSV file to be saved."""

    media_type = MEDIA_TYPE


@router.get("/accounts/{account_id}/transactions.csv", response_class=CsvResponse)
async def export_transactions(
    account_id: AccountPath,
    resources: ResourcesOf,
    caller: Reader,
    wanted: Annotated[Wanted, Depends(filtered)],
    view: View = "activity",
) -> CsvResponse:
    """The whole history as a CSV file, newest first, with the filters of the list; amounts are decimal credits."""
    caller.reach(account_id)
    first = await _page(resources, account_id, wanted)
    if not first:
        async with resources.pool.connection() as connection:
            if await balance(connection, account_id) is None:
                raise AccountUnknown(account_id, field="account_id")
    # An account id has no character that a header would have to escape.
    headers = {"Content-Disposition": f'attachment; filename="transactions-{account_id}.csv"'}
    return CsvResponse(_text(resources, account_id, wanted, first, view == "purchases"), headers=headers)


async def _text(
    resources: Resources, account_id: str, wanted: Wanted, lines: list[Line], purchases_view: bool
) -> AsyncIterator[str]:
    yield csv_text([COLUMNS])
    while lines:
        yield csv_text(_rows(lines, purchases_view))
        if len(lines) < _PAGE:
            break
        lines = await _page(resources, account_id, wanted._replace(before=lines[-1].place))


async def _page(resources: Resources, account_id: str, wanted: Wanted) -> list[Line]:
    async with resources.pool.connection() as connection:
        return await history(connection, account_id, wanted, _PAGE)


def _rows(lines: Iterable[Line], purchases_view: bool) -> Iterable[list[Cell]]:
    for line in lines:
        fields = transaction_fields(line, purchases_view=purchases_view)
        yield [_cell(fields[column]) for column in COLUMNS]


def _cell(value: Any) -> Cell:
    if isinstance(value, datetime):
        return utc_text(value)
    return value if isinstance(value, int) or value is None else str(value)
