"""Invoices and credit notes: a list per account, and each document as PDF, for its account alone."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from ledger.payments.documents.stored_pdf import pdf_of
from ledger.records import invoices as records
from ledger.records.invoices import InvoiceUnknown, Issued
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.cursors import InvalidCursor, moment_cursor, moment_place, split
from ledger.service.resources import Resources
from ledger.service.writes import existing_account
from schemas.fields import InvoiceNumber
from schemas.http import Invoice, Money, Page

_NUMBER: TypeAdapter[str] = TypeAdapter(InvoiceNumber)
_END = datetime(9999, 1, 1, tzinfo=UTC)


async def list_invoices(
    resources: Resources, caller: Caller, account_id: str, cursor: str | None = None, limit: int = 50
) -> Page[Invoice]:
    """The invoices and credit notes of an account, newest first. Raises AccountUnknown, InvalidCursor."""
    await existing_account(resources, caller, account_id)
    before, number = _place(cursor) if cursor else (_END, "")

    def read() -> list[Issued]:
        with resources.payments.connections.connection() as connection:
            return records.page(connection, account_id, before, number, limit + 1)

    rows, last = split(await resources.payments.query(read), limit)
    return Page(
        data=[_invoice(row) for row in rows],
        next_cursor=moment_cursor(last.created_at, last.number) if last else None,
    )


async def invoice_pdf(resources: Resources, caller: Caller, number: str) -> bytes:
    """The document as PDF; its bytes never change. Raises InvoiceUnknown, also for another account's document."""

    def read() -> bytes:
        with resources.payments.connections.connection() as connection:
            try:
                caller.reach(records.find(connection, number).account_id)
            except AccountUnknown:  # nor does a key learn that another account has an invoice of this number
                raise InvoiceUnknown(number, field="number") from None
            return pdf_of(resources.settings, connection, number)

    return await resources.payments.query(read)


async def numbers_of_events(
    resources: Resources, caller: Caller, account_id: str, event_ids: Sequence[str]
) -> dict[str, str]:
    """The numbers of the documents of purchases and refunds, by the event's id. One that is not issued yet has none."""
    caller.reach(account_id)

    def read() -> dict[str, str]:
        with resources.payments.connections.connection() as connection:
            return records.numbers_of_events(connection, account_id, event_ids)

    return await resources.payments.query(read)


def _invoice(row: Issued) -> Invoice:
    return Invoice(
        number=row.number,
        kind="credit_note" if row.kind == "credit_note" else "invoice",
        account_id=row.account_id,
        purchase_id=row.purchase_id,
        issued_on=row.issued_on,
        total=Money(currency=row.currency, amount_minor=row.total_minor, tax_minor=row.tax_minor),
        url=f"/v1/invoices/{row.number}.pdf",
    )


def _place(cursor: str) -> tuple[datetime, str]:
    moment, number = moment_place(cursor)
    try:
        return moment, _NUMBER.validate_python(number)
    except ValidationError:
        raise InvalidCursor(field="cursor") from None
