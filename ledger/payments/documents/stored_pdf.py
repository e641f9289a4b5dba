"""The PDF of an issued document: set when it is first asked for, then kept, so that it never changes."""

from ledger.payments.documents.invoice_pdf import invoice_pdf
from ledger.payments.invoice_content import InvoiceContent
from ledger.postgres.types import Connection
from ledger.records import invoices
from ledger.settings import Settings


def pdf_of(settings: Settings, connection: Connection, number: str) -> bytes:
    """Raises InvoiceUnknown, LogoUnreadable or DocumentNotSet."""
    kept = invoices.pdf(connection, number)
    if kept is not None:
        return kept
    content = InvoiceContent.model_validate_json(invoices.content(connection, number))
    return invoices.keep_pdf(connection, number, invoice_pdf(settings, content))
