"""Appends the events of payments to the log, each once as far as the views can tell, and raises alerts."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple, Protocol

import structlog

from ledger.core.account import CreditedPurchase
from ledger.payments.payment_alerts import AlertReason
from ledger.postgres.types import Connection
from ledger.records import payment_alerts
from ledger.records.payment_alerts import Alert
from ledger.views.writing import find_posted, load_purchases
from schemas.events import Event

# Gives a connection in autocommit mode, for one statement or a few.
Database = Callable[[], AbstractContextManager[Connection]]

log = structlog.get_logger()


class EventLog(Protocol):
    """Where events are appended: ledger.log.event_appender has it; a test may stop an append in the middle."""

    def append_event(self, event: Event) -> object:
        """Signs and appends an event, and returns once it is acknowledged. Raises LogUnavailable."""

    def check(self) -> None:
        """Raises LogUnavailable or LogRefused where the log takes no event now. Called before money moves."""


class EventRecorder(NamedTuple):
    """Writes the log and reads the views. The views may lag behind the log."""

    database: Database
    event_log: EventLog

    def posted_content(self, account_id: str, event_id: str) -> str | None:
        """The content hash of an event of ours; None until it is projected."""
        with self.database() as connection:
            return find_posted(connection, [event_id]).get((account_id, True, event_id))

    def append_once(self, event: Event) -> bool:
        """Appends the event unless the views have an entry of it. Returns whether it was appended."""
        if self.posted_content(event.subject, event.id) is not None:
            return False
        self.event_log.append_event(event)
        return True

    def purchase(self, account_id: str, purchase_id: str) -> CreditedPurchase | None:
        """A purchase with what is left of it; None until it is projected."""
        with self.database() as connection:
            return load_purchases(connection, [(account_id, purchase_id)]).get(account_id, {}).get(purchase_id)

    def raise_alert(
        self, provider: str, provider_id: str, reason: AlertReason, account_id: str | None, **details: object
    ) -> Literal["mismatch"]:
        """Asks people to look at a payment, refund, dispute or payout, once. Returns the outcome of the update."""
        with self.database() as connection:
            new = payment_alerts.raise_(connection, Alert(provider, provider_id, reason, account_id, details))
        if new:
            log.warning(
                "payment_alert", provider=provider, payment_id=provider_id, reason=reason, account_id=account_id
            )
        return "mismatch"
