"""Invoices and credit notes: a list per account, and each document as PDF, for its account alone."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError

from ledger.api.accounts import AccountPath
from ledger.api.dependencies import Needs
from ledger.api.parameters import Cursor, Limit
from ledger.api.writes import known_account
from ledger.payments.documents.stored_pdf import pdf_of
from ledger.records import invoices as records
from ledger.records.invoices import InvoiceUnknown, Issued
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.cursors import InvalidCursor, decode, encode, split
from ledger.service.resources import Resources
from ledger.web.dependencies import ResourcesOf
from schemas.fields import InvoiceNumber
from schemas.http import Invoice, Money, Page

router = APIRouter(prefix="/v1", tags=["invoices"])
Reader = Annotated[Caller, Depends(Needs("billing:read"))]
NumberPath = Annotated[InvoiceNumber, Path(examples=["INV-2026-0000001"])]
_NUMBER: TypeAdapter[str] = TypeAdapter(InvoiceNumber)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_END = datetime(9999, 1, 1, tzinfo=UTC)


@router.get("/accounts/{account_id}/invoices")
async def list_invoices(
    account_id: AccountPath, resources: ResourcesOf, caller: Reader, cursor: Cursor = None, limit: Limit = 50
) -> Page[Invoice]:
    """The invoices and credit notes of an account, newest first."""
    await known_account(resources, caller, account_id)
    before, number = _place(cursor) if cursor else (_END, "")

    def read() -> list[Issued]:
        with resources.payments.connections.connection() as connection:
            return records.page(connection, account_id, before, number, limit + 1)

    rows, last = split(await resources.payments.query(read), limit)
    return Page(data=[_answer(row) for row in rows], next_cursor=_cursor(last) if last else None)


@router.get(
    "/invoices/{number}.pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The document; its bytes never change."}},
)
async def get_invoice_pdf(number: NumberPath, resources: ResourcesOf, caller: Reader) -> Response:
    """An invoice or a credit note as PDF."""
    pdf = await resources.payments.query(_pdf, resources, caller, number)
    name = f'attachment; filename="{number}.pdf"'
    return Response(pdf, media_type="application/pdf", headers={"Content-Disposition": name})


def _pdf(resources: Resources, caller: Caller, number: str) -> bytes:
    with resources.payments.connections.connection() as connection:
        try:
            caller.reach(records.find(connection, number).account_id)
        except AccountUnknown:  # nor does a key learn that somebody else has an invoice of this number
            raise InvoiceUnknown(number, field="number") from None
        return pdf_of(resources.settings, connection, number)


def _answer(row: Issued) -> Invoice:
    return Invoice(
        number=row.number,
        kind="credit_note" if row.kind == "credit_note" else "invoice",
        account_id=row.account_id,
        purchase_id=row.purchase_id,
        issued_on=row.issued_on,
        total=Money(currency=row.currency, amount_minor=row.total_minor, tax_minor=row.tax_minor),
        url=f"/v1/invoices/{row.number}.pdf",
    )


def _cursor(row: Issued) -> str:
    return encode(f"{(row.created_at - _EPOCH) // _MICROSECOND}.{row.number}")


def _place(cursor: str) -> tuple[datetime, str]:
    """The place that such a cursor stands for. Raises InvalidCursor."""
    microseconds, _, number = decode(cursor).partition(".")
    if not microseconds.isdecimal() or len(microseconds) > 17:
        raise InvalidCursor(field="cursor")
    try:
        return _EPOCH + int(microseconds) * _MICROSECOND, _NUMBER.validate_python(number)
    except ValidationError:
        raise InvalidCursor(field="cursor") from None
