"""The number of an invoice: the next of its series and financial year, taken once and never given again.

The number is taken in the transaction that writes the document. Then it goes onto the log. A database that was restored
from a backup reads there which numbers were taken, and for which purchases and refunds. The form of a number is in
`ledger.core.invoice_numbers`.
"""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog

from ledger.core.invoice_numbers import Place, financial_year, place_of
from ledger.postgres.types import Connection
from ledger.records import invoices
from ledger.records.invoices import Unrecorded
from ledger.settings import Settings
from ledger.views import accepted_events
from ledger.views.accepted_events import AcceptedEvent
from schemas.events import Invoice, InvoiceIssued
from schemas.identity import derived_id

SOURCE = "ledger/invoices"

log = structlog.get_logger()


class Taken(NamedTuple):
    """A number that was taken, and when."""

    place: Place
    at: datetime


def take_number(settings: Settings, connection: Connection, accepted: AcceptedEvent, now: datetime) -> Taken:
    """The number of the document of a purchase or a refund, within the caller's transaction.

    If the log has a number for it, from before the database was restored, it is that one.
    """
    event_id = issued_event_id(accepted.account_id, accepted.event_id)
    issued = accepted_events.issued_number(connection, accepted.account_id, event_id)
    if issued is not None:
        log.warning("invoice_restored", number=issued.number)
        return Taken(place_of(issued.number), issued.time)
    refund = accepted.type == "credits.refunded"
    series = settings.credit_note_prefix if refund else settings.invoice_prefix
    today = now.astimezone(ZoneInfo(settings.invoice_time_zone)).date()
    year = financial_year(today, settings.invoice_year_begins)
    return Taken(invoices.next_place(connection, series, year), now)


def skip_numbers_of_the_log(connection: Connection) -> None:
    """Makes each series continue after the last number that the log has. The views must be current."""
    for number in accepted_events.last_numbers(connection):
        invoices.raise_last_number(connection, place_of(number))


def issued_event(document: Unrecorded) -> InvoiceIssued:
    """The event that puts a document's number on the log: the same bytes every time."""
    return InvoiceIssued(
        source=SOURCE,
        id=issued_event_id(document.account_id, document.event_id),
        subject=document.account_id,
        time=document.created_at,
        data=Invoice(number=document.number, purchase_id=document.purchase_id),
    )


def issued_event_id(account_id: str, event_id: str) -> str:
    """The id of the one event that can give a number to the document of a purchase or a refund."""
    return derived_id(account_id, "invoice.issued", event_id)
