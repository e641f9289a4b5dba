"""Invoices and credit notes on the page: which line of the history has one, and the document for its own customer."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.responses import Response

from ledger.api import invoices as api
from ledger.portal.visits import HtmlRoute, Visit, VisitOf
from ledger.records import invoices as records
from ledger.service.resources import Resources
from ledger.web.dependencies import ResourcesOf

router = APIRouter(prefix="/billing/invoices", include_in_schema=False, route_class=HtmlRoute)


@router.get("/{number}.pdf")
async def download(number: api.NumberPath, visit: VisitOf, resources: ResourcesOf) -> Response:
    """A document of this account as PDF; of another account's nothing is said, not even that it is there."""
    return await api.get_invoice_pdf(number, resources, visit.caller)


async def invoice_links(resources: Resources, visit: Visit, event_ids: Sequence[str]) -> dict[str, str]:
    """Where the documents of purchases and refunds are, by the event's id. One that was just made has none yet."""

    def read() -> dict[str, str]:
        with resources.payments.connections.connection() as connection:
            return records.numbers_of_events(connection, visit.account_id, event_ids)

    numbers = await resources.payments.query(read)
    return {event_id: f"/billing/invoices/{number}.pdf" for event_id, number in numbers.items()}
