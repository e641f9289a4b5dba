"""Notices: informs customers and routers about their credits, each time once, by webhook and e-mail.

The effects on `ledger.topups` and the events that the fold has accepted become notices. A notice's id follows from its
event, so a replay or a rebuild makes no second one. A task of its own delivers them.
"""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from consumers.accepted_events import AcceptedEventReader
from consumers.consumer import Received
from ledger.core.calendar import moment_of, ms_of
from ledger.log.book import BookFollower
from ledger.notices import kinds
from ledger.notices.delivery import NoticeSender
from ledger.postgres.kinds import NOTIFIER
from ledger.postgres.pools import ThreadPool
from ledger.postgres.types import Connection
from ledger.records import notices
from ledger.records.notices import Notice
from ledger.settings import Settings
from ledger.views.accepted_events import AcceptedEvent
from schemas.effects import AutoTopUpSkipped, AutoTopUpSuspended, BalanceLevelChanged, UsageQuarantined
from schemas.topics import TOP_UPS

NAME = "notifications"
_SECONDS = 0.5
# Older events make no notice, so that a ledger which comes back after days does not send a flood of old ones.
_MAX_AGE = timedelta(days=3)


class _NoticeWriter:
    """Writes notices, unless they are too old."""

    def __init__(self, settings: Settings) -> None:
        self._mail = bool(settings.smtp_host)

    def __call__(self, connection: Connection, notice: Notice | None, log_time: datetime) -> None:
        if notice is not None and datetime.now(UTC) - log_time < _MAX_AGE:
            notices.note(connection, notice, mailed=self._mail and kinds.TYPES[notice.type])


class NotifyOfEffects:
    """Writes notices of balance levels, caps, suspensions and usage that was kept aside. A Consumer."""

    name = NAME
    at_once = 1
    topics: ClassVar[Sequence[str]] = (TOP_UPS,)

    def __init__(self, settings: Settings, book: BookFollower) -> None:
        self._book, self._note = book, _NoticeWriter(settings)
        self._connections = ThreadPool(settings.database, NOTIFIER, 1)

    def handle(self, received: Received) -> None:
        """Writes the notice, unless it was written before."""
        event = received.event
        if isinstance(event, AutoTopUpSkipped | AutoTopUpSuspended | BalanceLevelChanged | UsageQuarantined):
            # The fold's time: an effect that the topic lost and got back keeps its age.
            log_time = event.time or moment_of(received.log_time_ms)
            notice = kinds.of_effect(event, self._book.last.at(ms_of(log_time)), log_time)
            with self._connections.connection() as connection:
                self._note(connection, notice, log_time)


class NotifyOfEvents:
    """Writes notices of receipts, of top-ups that were paid or declined, and of disputes. A Task."""

    name, seconds = f"{NAME}:events", _SECONDS

    def __init__(self, settings: Settings) -> None:
        self._reader, self._note = AcceptedEventReader(NAME, kinds.NOTIFIED_TYPES), _NoticeWriter(settings)

    def do_round(self, connection: Connection) -> None:
        """Writes the notices of new events."""
        if self._reader.ready(connection):
            self._reader.each(connection, self._notify)

    def close(self) -> None:
        """Nothing is open."""

    def _notify(self, connection: Connection, accepted: AcceptedEvent) -> None:
        issued = accepted.type == "invoice.issued"
        document = notices.document(connection, accepted.data["number"]) if issued else None
        self._note(connection, kinds.of_event(accepted, document), accepted.log_time)


class Deliver:
    """Sends the notices that are due. A Task."""

    name, seconds = f"{NAME}:delivery", _SECONDS

    def __init__(self, settings: Settings, stopping: threading.Event) -> None:
        self._sender, self._stopping = NoticeSender(settings, stopping), stopping

    def do_round(self, connection: Connection) -> None:
        """Sends until nothing is due."""
        while not self._stopping.is_set() and self._sender.send_due(connection):
            pass

    def close(self) -> None:
        """Nothing is open."""
