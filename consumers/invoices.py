"""Invoices: one per purchase, auto top-ups too, and one credit note per refund, numbered without gaps.

A round issues what the fold has accepted since the last one, then puts the numbers on the log. Killed in between, the
next process goes on there: the place, the number and the document are one transaction, and to record twice is nothing.
"""

from datetime import UTC, datetime

from consumers.accepted_events import Facts
from consumers.log_writable import open_appender
from ledger.log.publisher import Permit
from ledger.payments.invoices import FACTS, InvoiceIssuer, issued_event, reach_the_log
from ledger.postgres.types import Connection
from ledger.records import invoices
from ledger.settings import Settings
from ledger.views.accepted_events import AcceptedEvent

NAME = "invoices"
_SECONDS = 0.5
_RECORDED_AT_ONCE = 100


class Invoices:
    """A Task."""

    name, seconds = NAME, _SECONDS

    def __init__(self, settings: Settings, permit: Permit) -> None:
        self._invoicing, self._event_log = InvoiceIssuer(settings), open_appender(settings, permit)
        self._facts = Facts(NAME, FACTS)
        self._reached: Connection | None = None

    def once(self, connection: Connection) -> None:
        """Issues and records what is new."""
        self._event_log.check()
        if not self._facts.ready(connection):
            return
        if self._reached is not connection:
            reach_the_log(connection)
            self._reached = connection
        self._facts.each(connection, self._issue)
        self._record(connection)

    def close(self) -> None:
        """Lets go of the producer."""
        self._event_log.close()

    def _issue(self, connection: Connection, fact: AcceptedEvent) -> None:
        self._invoicing.issue(connection, fact, datetime.now(UTC))

    def _record(self, connection: Connection) -> None:
        while waiting := invoices.unrecorded(connection, _RECORDED_AT_ONCE):
            for one in waiting:
                self._event_log.append_event(issued_event(one))
                invoices.recorded(connection, one.number)
