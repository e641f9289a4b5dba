"""The PDF of an issued document: rendered at the first request and stored, so that it never changes."""

from ledger.payments.documents.invoice_pdf import invoice_pdf
from ledger.payments.invoice_content import InvoiceContent
from ledger.postgres.types import Connection
from ledger.records import invoices
from ledger.settings import Settings


def pdf_of(settings: Settings, connection: Connection, number: str) -> bytes:
    """Raises InvoiceUnknown, LogoUnreadable or DocumentNotSet."""
    stored = invoices.pdf(connection, number)
    if stored is not None:
        return stored
    content = InvoiceContent.model_validate_json(invoices.content(connection, number))
    return invoices.keep_pdf(connection, number, invoice_pdf(settings, content))
