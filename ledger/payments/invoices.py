"""Issues invoices: one for each purchase and a credit note for each refund, once, with the next number of its series.

Customers see a document only when its number is on the log.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from ledger.core.invoice_numbers import number_of
from ledger.payments import invoice_content
from ledger.payments.buyers import load_buyer
from ledger.payments.invoice_content import InvoiceContent
from ledger.payments.invoice_numbers import take_number
from ledger.postgres.types import Connection
from ledger.records import invoices
from ledger.records.invoices import NewInvoice
from ledger.settings import Settings
from ledger.views.accepted_events import AcceptedEvent

# The types of events that get a document.
INVOICED_TYPES = ("credits.purchased", "credits.refunded")


class InvoiceIssuer:
    """Writes documents within the caller's transaction."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._zone = ZoneInfo(settings.invoice_time_zone)

    def issue(self, connection: Connection, accepted: AcceptedEvent, now: datetime) -> None:
        """Writes the document of a purchase or a refund, unless there is one."""
        if invoices.number_of_event(connection, accepted.account_id, accepted.event_id) is not None:
            return
        place, issued_at = take_number(self._settings, connection, accepted, now)
        content = self._content(connection, accepted, number_of(place), issued_at)
        new = NewInvoice(
            number=content.number,
            kind=content.kind,
            event_id=accepted.event_id,
            account_id=accepted.account_id,
            purchase_id=content.purchase_id,
            issued_on=issued_at.astimezone(self._zone).date(),
            currency=content.currency,
            total_minor=content.total_minor,
            tax_minor=content.tax_minor,
            content=content.model_dump_json(),
            created_at=issued_at,
        )
        invoices.insert(connection, new, place)

    def _content(
        self, connection: Connection, accepted: AcceptedEvent, number: str, issued_at: datetime
    ) -> InvoiceContent:
        issued_on, paid_on = (moment.astimezone(self._zone).date() for moment in (issued_at, accepted.time))
        if accepted.type == "credits.purchased":
            who = load_buyer(connection, accepted.account_id)
            return invoice_content.invoice(self._settings, number, issued_on, paid_on, who, accepted.data)
        invoice = invoices.content_of_purchase(connection, accepted.account_id, accepted.data["purchase_id"])
        returned_tax = invoices.returned_tax(connection, accepted.account_id, accepted.data["purchase_id"])
        assert invoice is not None, "a purchase is in the same partition as its refund, and is invoiced before it"
        return invoice_content.credit_note(
            InvoiceContent.model_validate_json(invoice), returned_tax, number, issued_on, paid_on, accepted.data
        )
