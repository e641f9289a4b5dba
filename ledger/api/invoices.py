"""Routes: invoices and credit notes, as a list and as PDF."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from ledger.api.accounts import AccountPath
from ledger.api.dependencies import Needs
from ledger.api.parameters import Cursor, Limit
from ledger.service import invoices as service
from ledger.service.caller import Caller
from ledger.web.csv import saved_as
from ledger.web.dependencies import ResourcesOf
from schemas.fields import InvoiceNumber
from schemas.http import Invoice, Page

router = APIRouter(prefix="/v1", tags=["invoices"])
Reader = Annotated[Caller, Depends(Needs("billing:read"))]
NumberPath = Annotated[InvoiceNumber, Path(examples=["INV-2026-0000001"])]


@router.get("/accounts/{account_id}/invoices")
async def list_invoices(
    account_id: AccountPath, resources: ResourcesOf, caller: Reader, cursor: Cursor = None, limit: Limit = 50
) -> Page[Invoice]:
    """The invoices and credit notes of an account, newest first."""
    return await service.list_invoices(resources, caller, account_id, cursor, limit)


@router.get(
    "/invoices/{number}.pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The document; its bytes never change."}},
)
async def get_invoice_pdf(number: NumberPath, resources: ResourcesOf, caller: Reader) -> Response:
    """An invoice or a credit note as PDF."""
    pdf = await service.invoice_pdf(resources, caller, number)
    return Response(pdf, media_type="application/pdf", headers=saved_as(f"{number}.pdf"))
