"""Invoices: one for each purchase, also of an auto top-up, and one credit note for each refund, numbered without gaps.

A round issues the documents of events that the fold has accepted since the last round, then puts their numbers on the
log. If the process is killed in between, the next one continues there: the reader's position, the number and the
document are written in one transaction, and to append a number twice has no effect.
"""

from datetime import UTC, datetime

from consumers.accepted_events import AcceptedEventReader
from consumers.log_writable import open_appender
from ledger.log.publisher import AppendGuard
from ledger.payments.invoice_numbers import issued_event, skip_numbers_of_the_log
from ledger.payments.invoices import INVOICED_TYPES, InvoiceIssuer
from ledger.postgres.types import Connection
from ledger.records import invoices
from ledger.settings import Settings
from ledger.views.accepted_events import AcceptedEvent

NAME = "invoices"
_SECONDS = 0.5
_RECORDED_AT_ONCE = 100


class Invoices:
    """Issues invoices and credit notes. A Task."""

    name, seconds = NAME, _SECONDS

    def __init__(self, settings: Settings, guard: AppendGuard) -> None:
        self._issuer, self._event_log = InvoiceIssuer(settings), open_appender(settings, guard)
        self._reader = AcceptedEventReader(NAME, INVOICED_TYPES)
        self._numbered: Connection | None = None

    def do_round(self, connection: Connection) -> None:
        """Issues the documents of new events, and puts their numbers on the log."""
        self._event_log.check()
        if not self._reader.ready(connection):
            return
        if self._numbered is not connection:
            skip_numbers_of_the_log(connection)
            self._numbered = connection
        self._reader.each(connection, self._issue)
        self._record(connection)

    def close(self) -> None:
        """Closes the producer."""
        self._event_log.close()

    def _issue(self, connection: Connection, accepted: AcceptedEvent) -> None:
        self._issuer.issue(connection, accepted, datetime.now(UTC))

    def _record(self, connection: Connection) -> None:
        while waiting := invoices.unrecorded(connection, _RECORDED_AT_ONCE):
            for one in waiting:
                self._event_log.append_event(issued_event(one))
                invoices.mark_recorded(connection, one.number)
