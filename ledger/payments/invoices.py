"""Issuing invoices: a purchase's invoice and a refund's credit note, each once, with the next number of its series.

The number is taken in the transaction that writes the document. Then it goes onto the log, and only what is there is
shown: a database that is restored from yesterday reads there which numbers are taken, and by what.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from ledger.core.invoicing import Place, financial_year, number_of, place_of
from ledger.payments import invoice_content
from ledger.payments.buyers import buyer
from ledger.payments.invoice_content import Content
from ledger.postgres.types import Connection
from ledger.records import invoices
from ledger.records.invoices import NewInvoice, Unrecorded
from ledger.settings import Settings
from ledger.views import accepted_events
from ledger.views.accepted_events import AcceptedEvent
from schemas.events import Invoice, InvoiceIssued
from schemas.identity import derived_id

SOURCE = "ledger/invoices"
FACTS = ("credits.purchased", "credits.refunded")

log = structlog.get_logger()


def issued_event(one: Unrecorded) -> InvoiceIssued:
    """What the log says of a document: the same bytes, whoever says it and however often."""
    return InvoiceIssued(
        source=SOURCE,
        id=issued_event_id(one.account_id, one.event_id),
        subject=one.account_id,
        time=one.created_at,
        data=Invoice(number=one.number, purchase_id=one.purchase_id),
    )


def issued_event_id(account_id: str, event_id: str) -> str:
    """The id of the one event that can give a number to the document of a purchase or a refund."""
    return derived_id(account_id, "invoice.issued", event_id)


def reach_the_log(connection: Connection) -> None:
    """No number that the log knows is given again, whatever the database has forgotten. The views must be current."""
    for number in accepted_events.last_numbers(connection):
        invoices.reach(connection, place_of(number))


class InvoiceIssuer:
    """Within the caller's transaction."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._zone = ZoneInfo(settings.invoice_time_zone)

    def issue(self, connection: Connection, fact: AcceptedEvent, now: datetime) -> None:
        """Writes the document of a purchase or a refund, unless it is there."""
        if invoices.number_of_event(connection, fact.account_id, fact.event_id) is not None:
            return
        place, issued_at = self._place(connection, fact, now)
        content = self._content(connection, fact, number_of(place), issued_at)
        new = NewInvoice(
            number=content.number,
            kind=content.kind,
            event_id=fact.event_id,
            account_id=fact.account_id,
            purchase_id=content.purchase_id,
            issued_on=issued_at.astimezone(self._zone).date(),
            currency=content.currency,
            total_minor=content.total_minor,
            tax_minor=content.tax_minor,
            content=content.model_dump_json(),
            created_at=issued_at,
        )
        invoices.insert(connection, new, place)

    def _place(self, connection: Connection, fact: AcceptedEvent, now: datetime) -> tuple[Place, datetime]:
        """The number that the log has for it already, from before the database was restored; else the next one."""
        known = accepted_events.issued_number(
            connection, fact.account_id, issued_event_id(fact.account_id, fact.event_id)
        )
        if known is not None:
            log.warning("invoice_restored", number=known.number)
            return place_of(known.number), known.time
        refund = fact.type == "credits.refunded"
        series = self._settings.credit_note_prefix if refund else self._settings.invoice_prefix
        year = financial_year(now.astimezone(self._zone).date(), self._settings.invoice_year_begins)
        return invoices.next_place(connection, series, year), now

    def _content(self, connection: Connection, fact: AcceptedEvent, number: str, issued_at: datetime) -> Content:
        issued_on, paid_on = (moment.astimezone(self._zone).date() for moment in (issued_at, fact.time))
        if fact.type == "credits.purchased":
            who = buyer(connection, fact.account_id)
            return invoice_content.invoice(self._settings, number, issued_on, paid_on, who, fact.data)
        of = invoices.content_of_purchase(connection, fact.account_id, fact.data["purchase_id"])
        before = invoices.returned_tax(connection, fact.account_id, fact.data["purchase_id"])
        assert of is not None, "a purchase is invoiced before its refund is read: both stand in one partition"
        return invoice_content.credit_note(
            Content.model_validate_json(of), before, number, issued_on, paid_on, fact.data
        )
