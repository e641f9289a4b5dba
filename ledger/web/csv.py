"""CSV files as answers: small ones whole, the history of an account page after page."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.responses import Response

from ledger.core.calendar import utc_text
from ledger.csv_text import MEDIA_TYPE, Cell, csv_text
from ledger.service.history import View
from ledger.service.transactions import transaction_fields
from ledger.views.history import HistoryLine

COLUMNS = (
    *("time", "type", "description", "amount", "balance_after", "event_id", "event_type", "occurred_at"),
    *("request_id", "provider", "model", "mode", "api_key_id"),
    *("input_tokens", "output_tokens", "units", "attributes", "own_key", "traces", "free_traces"),
    *("purchase_id", "currency", "amount_minor", "reason_code"),
)


class CsvFile(Response):
    """A CSV file to be saved."""

    media_type = MEDIA_TYPE


class CsvStream(StreamingResponse):
    """A CSV file of any length to be saved."""

    media_type = MEDIA_TYPE


def saved_as(name: str) -> dict[str, str]:
    """The header that gives a file its name. `name` has no character that a header would have to escape."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def history_csv(account_id: str, pages: AsyncIterator[Sequence[HistoryLine]], view: View) -> CsvStream:
    """The history of an account, of which `pages` come one after the other."""
    return CsvStream(
        _text(pages, purchases_view=view == "purchases"), headers=saved_as(f"transactions-{account_id}.csv")
    )


async def _text(pages: AsyncIterator[Sequence[HistoryLine]], *, purchases_view: bool) -> AsyncIterator[str]:
    yield csv_text([COLUMNS])
    async for lines in pages:
        yield csv_text(_rows(lines, purchases_view=purchases_view))


def _rows(lines: Iterable[HistoryLine], *, purchases_view: bool) -> Iterable[list[Cell]]:
    for line in lines:
        fields = transaction_fields(line, purchases_view=purchases_view)
        yield [_cell(fields[column]) for column in COLUMNS]


def _cell(value: Any) -> Cell:
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, dict):
        return " ".join(f"{name}={part}" for name, part in value.items())
    return value if isinstance(value, int) or value is None else str(value)
