"""Notices: what customers and routers are told of their credits, each once, over webhooks and by e-mail.

What the fold says on `ledger.topups` and what it has accepted as facts become notices, whose ids follow from the
events: whatever is replayed or rebuilt, nothing is told twice. A task of its own delivers them.
"""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from consumers.accepted_events import Facts
from consumers.consumer import Received
from ledger.core.calendar import moment_of, ms_of
from ledger.log.book import Follower
from ledger.notices import kinds
from ledger.notices.delivery import Delivering
from ledger.postgres.kinds import NOTIFIER
from ledger.postgres.pools import ThreadPool
from ledger.postgres.types import Connection
from ledger.records import notices
from ledger.records.notices import Notice
from ledger.settings import Settings
from ledger.views.accepted_events import AcceptedEvent
from schemas.effects import AutoTopUpSkipped, AutoTopUpSuspended, BalanceLevelChanged
from schemas.topics import TOP_UPS

NAME = "notifications"
_SECONDS = 0.5
# What is older is no news: a ledger that begins to tell, or comes back after days, does not tell all of its past.
_NEWS = timedelta(days=3)


class _Noting:
    """Writes notices that are news."""

    def __init__(self, settings: Settings) -> None:
        self._mail = bool(settings.smtp_host)

    def __call__(self, connection: Connection, notice: Notice | None, log_time: datetime) -> None:
        if notice is not None and datetime.now(UTC) - log_time < _NEWS:
            notices.note(connection, notice, mailed=self._mail and kinds.TYPES[notice.type])


class NotifyOfEffects:
    """Levels, caps and suspensions, as the fold says them. A Consumer."""

    name = NAME
    at_once = 1
    topics: ClassVar[Sequence[str]] = (TOP_UPS,)

    def __init__(self, settings: Settings, book: Follower) -> None:
        self._book, self._note = book, _Noting(settings)
        self._connections = ThreadPool(settings.database, NOTIFIER, 1)

    def handle(self, received: Received) -> None:
        """Writes the notice, unless it was written before."""
        event = received.event
        if isinstance(event, AutoTopUpSkipped | AutoTopUpSuspended | BalanceLevelChanged):
            # The fold's own time: an effect that its topic lost and got back is as old as it was.
            log_time = event.time or moment_of(received.log_time_ms)
            notice = kinds.of_effect(event, self._book.last.at(ms_of(log_time)), log_time)
            with self._connections.connection() as connection:
                self._note(connection, notice, log_time)


class NotifyOfFacts:
    """Receipts, top-ups that are paid or declined, disputes. A Task."""

    name, seconds = f"{NAME}:facts", _SECONDS

    def __init__(self, settings: Settings) -> None:
        self._facts, self._note = Facts(NAME, kinds.FACTS), _Noting(settings)

    def once(self, connection: Connection) -> None:
        """Writes the notices of what is new."""
        if self._facts.ready(connection):
            self._facts.each(connection, self._tell)

    def close(self) -> None:
        """There is nothing to let go."""

    def _tell(self, connection: Connection, fact: AcceptedEvent) -> None:
        issued = fact.type == "invoice.issued"
        document = notices.document(connection, fact.data["number"]) if issued else None
        self._note(connection, kinds.of_fact(fact, document), fact.log_time)


class Deliver:
    """Sends what is due. A Task."""

    name, seconds = f"{NAME}:delivery", _SECONDS

    def __init__(self, settings: Settings, stopping: threading.Event) -> None:
        self._delivering, self._stopping = Delivering(settings, stopping), stopping

    def once(self, connection: Connection) -> None:
        """Until nothing is due."""
        while not self._stopping.is_set() and self._delivering.once(connection):
            pass

    def close(self) -> None:
        """There is nothing to let go."""
