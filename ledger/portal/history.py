"""History: all activity, or purchases only; filters, pages by cursor, CSV, and one line explained."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from ledger.payments.invoices import INVOICED_TYPES
from ledger.portal.invoices import invoice_links
from ledger.portal.shell import shown
from ledger.portal.visits import HtmlRoute, Visit, VisitOf
from ledger.reports.unit_names import per_name, unit_name
from ledger.service.history import (
    View,
    after_cursor,
    explain_transaction,
    export_lines,
    filters,
    page_of_lines,
    types_of,
    usage_groups,
)
from ledger.service.resources import Resources
from ledger.service.transactions import transaction_fields
from ledger.views.history import BEGINNING, END, HistoryFilter
from ledger.web.csv import history_csv
from ledger.web.dependencies import ResourcesOf
from schemas.money import parse_nanos

router = APIRouter(prefix="/billing/history", include_in_schema=False, route_class=HtmlRoute)

_LINES = 50
_MODELS_OF_DAYS = 90
Filter = Annotated[str, Query(max_length=128)]


class Filters(NamedTuple):
    """The filters of the form; empty where nothing was chosen. Days are in the customer's time zone."""

    view: View
    type: str
    model: str
    api_key_id: str
    since: str
    until: str

    def query(self, **more: str) -> str:
        """The filters as the query of a URL."""
        names = {"since": "from", "until": "to"}
        said = {names.get(name, name): text for name, text in self._asdict().items() if text}
        return urlencode(said | more)


async def _filters(
    view: View = "activity",
    type_: Annotated[Filter, Query(alias="type")] = "",
    model: Filter = "",
    api_key_id: Filter = "",
    since: Annotated[Filter, Query(alias="from")] = "",
    until: Annotated[Filter, Query(alias="to")] = "",
) -> Filters:
    """The filters of a request. Impossible values are ignored, because browsers send whatever was typed."""
    type_ = type_ if type_ in types_of(view) else ""
    of_usage = view == "activity"
    return Filters(
        view,
        type_,
        _token(model) if of_usage else "",
        _token(api_key_id) if of_usage else "",
        _day(since),
        _day(until),
    )


FiltersOf = Annotated[Filters, Depends(_filters)]


@router.get("")
async def page(
    visit: VisitOf,
    resources: ResourcesOf,
    chosen: FiltersOf,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> Response:
    """Fifty lines, newest first."""
    wanted = after_cursor(_wanted(visit, chosen), cursor)
    lines, older = await page_of_lines(resources, visit.caller, visit.account_id, wanted, _LINES)
    purchases = chosen.view == "purchases"
    return shown(
        visit.shell,
        "history",
        at="history",
        chosen=chosen,
        types=types_of(chosen.view),
        lines=[(line, transaction_fields(line, purchases_view=purchases)) for line in lines],
        invoices=await invoice_links(resources, visit, [line.event_id for line in lines]) if purchases else {},
        older=chosen.query(cursor=older) if older else None,
        newer=chosen.query() if cursor else None,
        used=await _used(resources, visit) if chosen.view == "activity" else ((), ()),
    )


@router.get(".csv")
async def as_csv(visit: VisitOf, resources: ResourcesOf, chosen: FiltersOf) -> Response:
    """All lines that pass the filters, as a file."""
    pages = await export_lines(resources, visit.caller, visit.account_id, _wanted(visit, chosen))
    return history_csv(visit.account_id, pages, chosen.view)


@router.get("/{event_id}")
async def explained(visit: VisitOf, resources: ResourcesOf, event_id: UUID, signed: bool | None = None) -> Response:
    """One line, and how its amount came about."""
    line = await explain_transaction(resources, visit.caller, event_id, visit.account_id, signed)
    links = await invoice_links(resources, visit, [line.event_id]) if line.event_type in INVOICED_TYPES else {}
    return shown(
        visit.shell,
        "explained",
        at="history",
        line=line,
        document=links.get(line.event_id),
        amount=parse_nanos(line.amount),
        balance_after=parse_nanos(line.balance_after),
        unit_name=unit_name,
        per_name=per_name,
    )


def _wanted(visit: Visit, chosen: Filters) -> HistoryFilter:
    """The filters for the service, with the customer's days as moments."""
    first = visit.shell.display.first_moment
    since = first(date.fromisoformat(chosen.since)) if chosen.since else BEGINNING
    until = first(date.fromisoformat(chosen.until) + timedelta(days=1)) if chosen.until else END
    return filters(
        chosen.view,
        chosen.type or None,
        chosen.model or None,
        chosen.api_key_id or None,
        max(since, BEGINNING),
        min(until, END),
    )


async def _used(resources: Resources, visit: Visit) -> tuple[list[str], list[str]]:
    """Models and API keys of the last months, to choose from."""
    today = datetime.now(UTC).date()
    since, until = today - timedelta(days=_MODELS_OF_DAYS), today + timedelta(days=1)
    groups = await usage_groups(resources, visit.caller, visit.account_id, since, until, {"model", "api_key"})
    models = sorted({group.model for group in groups if group.model})
    return models, sorted({group.api_key_id for group in groups if group.api_key_id})


def _token(text: str) -> str:
    """The text, if a model or a key may have this name."""
    return text.strip() if text.strip().isascii() and text.strip().isprintable() and " " not in text.strip() else ""


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return ""
    return day.isoformat() if 1970 <= day.year < 9999 else ""
