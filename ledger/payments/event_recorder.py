"""Facts of payments onto the log, each once as far as can be seen; and alerts for what does not become one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import structlog

from ledger.core.account import Purchase
from ledger.postgres.types import Connection
from ledger.records import payment_alerts
from ledger.records.payment_alerts import Alert
from ledger.views.writing import find_posted, load_purchases
from schemas.events import Event

# A connection in autocommit mode, for one statement or a few.
Database = Callable[[], AbstractContextManager[Connection]]

log = structlog.get_logger()


class Append(Protocol):
    """The way to the log."""

    def __call__(self, event: Event) -> object:
        """Appends a signed event and returns once it is acknowledged. Raises LogUnavailable."""

    def check(self) -> None:
        """Raises LogUnavailable, or LogRefused, where nothing can be appended now: before money moves."""


class EventRecorder(NamedTuple):
    """The log to write and the views to read it in. What both say may differ by what is not projected yet."""

    database: Database
    append: Append

    def posted(self, account_id: str, event_id: str) -> str | None:
        """The content of an event of ours, once it is projected."""
        with self.database() as connection:
            return find_posted(connection, [event_id]).get((account_id, True, event_id))

    def record(self, event: Event) -> bool:
        """Appends the event unless it has an entry already; whether it did."""
        if self.posted(event.subject, event.id) is not None:
            return False
        self.append(event)
        return True

    def purchase(self, account_id: str, purchase_id: str) -> Purchase | None:
        """What is left of a purchase, once it is projected."""
        with self.database() as connection:
            return load_purchases(connection, [(account_id, purchase_id)]).get(account_id, {}).get(purchase_id)

    def alert(self, provider: str, payment_id: str, reason: str, account_id: str | None, **details: object) -> str:
        """Asks people to look at it, once; what came of it."""
        with self.database() as connection:
            new = payment_alerts.raise_(connection, Alert(provider, payment_id, reason, account_id, details))
        if new:
            log.warning("payment_alert", provider=provider, payment_id=payment_id, reason=reason, account_id=account_id)
        return "mismatch"
