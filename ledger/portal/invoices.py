"""Invoices and credit notes on the page: which line of the history has one, and the document for its own customer."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from ledger.portal.visits import HtmlRoute, Visit, VisitOf
from ledger.service import invoices as service
from ledger.service.resources import Resources
from ledger.web.csv import saved_as
from ledger.web.dependencies import ResourcesOf
from schemas.fields import InvoiceNumber

router = APIRouter(prefix="/billing/invoices", include_in_schema=False, route_class=HtmlRoute)


@router.get("/{number}.pdf")
async def download(number: Annotated[InvoiceNumber, Path()], visit: VisitOf, resources: ResourcesOf) -> Response:
    """A document of this account as PDF. Of another account's document the page does not even say that it exists."""
    pdf = await service.invoice_pdf(resources, visit.caller, number)
    return Response(pdf, media_type="application/pdf", headers=saved_as(f"{number}.pdf"))


async def invoice_links(resources: Resources, visit: Visit, event_ids: Sequence[str]) -> dict[str, str]:
    """The URLs of the documents of purchases and refunds, by event id. A document that is not issued yet is missing."""
    numbers = await service.numbers_of_events(resources, visit.caller, visit.account_id, event_ids)
    return {event_id: f"/billing/invoices/{number}.pdf" for event_id, number in numbers.items()}
