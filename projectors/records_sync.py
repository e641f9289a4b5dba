"""Synchronizes `records` with ledger.records: ends here what the log says has ended, and appends what the log lacks.

After a restore of the database, the log has more events than the database; after the log lost its tail, it has fewer.
This runs in a thread of each worker. In a copy it appends nothing.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import structlog
from kafka.errors import KafkaError

from ledger.core.errors import LedgerError
from ledger.log.book import BookEmpty, BookFollower, BookStale
from ledger.log.connecting import LogUnavailable
from ledger.log.ownership import installation_id, owner_after, refuse_another
from ledger.log.publisher import Publisher
from ledger.log.records_log import RecordsLog, records_log
from ledger.postgres.connections import connect
from ledger.postgres.kinds import RECORDS_KEEPER
from ledger.postgres.types import Connection
from ledger.records import log_events, rebuilds
from ledger.records.endings import end_again
from ledger.records.erasing import NotInvoicedYet
from ledger.settings import Settings
from ledger.views import accepted_events
from projectors.rejections import report_rejected
from schemas.records import RECORDS_EVENT, AccountErased, LogClaimed, RecordsEvent
from schemas.topics import RECORDS

_ROUND_SECONDS = 1.0
_NOTE_SECONDS = 30.0
_APPEND_SECONDS = 10
# How much the clocks of broker and database may differ.
_MARGIN = timedelta(seconds=1)

_UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    KafkaError,
    LogUnavailable,
    BookStale,
    BookEmpty,
    rebuilds.RebuildRunning,
)

log = structlog.get_logger()


class RecordsSync:
    """A thread that runs as long as the process. `end`: called with an error that must end the worker."""

    def __init__(self, settings: Settings, book: BookFollower, end: Callable[[BaseException], None]) -> None:
        self._settings, self._book, self._end = settings, book, end
        threading.Thread(target=self._run, name="records", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                with (
                    connect(self._settings.database, RECORDS_KEEPER) as connection,
                    records_log(self._settings) as topic,
                ):
                    rounds = _Rounds(self._settings, self._book, connection, topic)
                    while True:
                        rounds.sync_once()
                        time.sleep(_ROUND_SECONDS)
            except _UNAVAILABLE as error:
                log.warning("records_wait", reason=type(error).__name__)
                time.sleep(_ROUND_SECONDS)
            except LedgerError as error:
                self._end(error)


class _Rounds:
    """The rounds of one connection. They begin with the whole topic, because the database may have been replaced."""

    def __init__(self, settings: Settings, book: BookFollower, connection: Connection, topic: RecordsLog) -> None:
        self._settings, self._book = settings, book
        self._connection, self._topic = connection, topic
        self._mine = installation_id(connection)
        self._owner: str | None = None
        self._invoiced = bool(settings.supplier.name) and not settings.fold_only
        self._noted = log_events.known_ids(connection)
        self._missing = set(self._noted)  # of these, the topic lacks those that are left when it was read once
        self._erasures: list[AccountErased] = []
        self._since = datetime.now(UTC)
        self._noted_at = float("-inf")
        self._reported = 0

    def sync_once(self) -> None:
        """One round. Raises LogHasAnotherOwner if the log now belongs to another database."""
        events = self._topic.to_end(self._book.book)
        self._owner = owner_after(self._owner, events)
        if not self._settings.fold_only:
            refuse_another(self._owner, self._mine)
        if events:
            self._handle_new([event for event in events if event.id not in self._noted])
            log_events.mark_on_log(self._connection, [event.id for event in events if event.id in self._noted])
        self._report()
        self._erase()
        if not self._settings.fold_only:
            self._append_missing({event.id for event in events})
        self._note_read()

    def _handle_new(self, events: Sequence[RecordsEvent]) -> None:
        """Ends what the events name, unless it is already noted here: it was ended after this database's dump was
        taken.
        """
        self._noted |= log_events.known_ids(self._connection, [event.id for event in events])
        for event in events:
            if isinstance(event, AccountErased) and event.id not in self._noted:
                self._erasures.append(event)
            elif event.id not in self._noted:
                self._end_again(event)

    def _erase(self) -> None:
        """Erases what can be erased now; the rest in a later round, or at the latest after a restart.

        The views show whether an invoice still needs the customer's name.
        """
        if not self._erasures or (self._invoiced and not self._views_are_current()):
            return
        left = []
        for event in self._erasures:
            try:
                self._end_again(event)
            except NotInvoicedYet:
                left.append(event)
        self._erasures = left

    def _end_again(self, event: RecordsEvent) -> None:
        with self._connection.transaction():
            if log_events.note_from_log(self._connection, event) and not isinstance(event, LogClaimed):
                end_again(self._connection, event, invoiced=self._invoiced)
                log_events.end_visits(self._connection)  # the restore may have brought some back
                log.warning("ended_again", type=event.type, event_id=event.id)
        self._noted.add(event.id)

    def _views_are_current(self) -> bool:
        if rebuilds.unfinished(self._connection) is not None:
            return False
        through = accepted_events.true_up_to(self._connection)
        return through is not None and through >= self._since + _MARGIN

    def _append_missing(self, on_log: set[str]) -> None:
        """Appends what is noted here but not on the log: not appended yet, or lost by the log."""
        if self._missing:
            log_events.mark_lost(self._connection, self._missing - on_log)
            self._missing = set()
        with self._connection.transaction():
            waiting = log_events.not_on_log(self._connection)
            if not waiting:
                return
            with Publisher(self._settings, delivery_seconds=_APPEND_SECONDS) as publisher:
                key = self._settings.signing_key()
                for each in [
                    publisher.append_event(RECORDS, RECORDS_EVENT.validate_json(one.value), key) for one in waiting
                ]:
                    each.position()
            log_events.mark_on_log(self._connection, [one.event_id for one in waiting])
        log.info("said_again", events=len(waiting))

    def _report(self) -> None:
        """Makes dead letters of the topic's rejected records."""
        new = self._topic.rejected[self._reported :]
        if new:
            report_rejected(self._connection, self._settings, RECORDS, new)
            self._reported += len(new)

    def _note_read(self) -> None:
        if time.monotonic() < self._noted_at + _NOTE_SECONDS:
            return
        if log_events.note_read(self._connection):
            # No worker ran for a long time, or an older database was restored.
            log_events.end_visits(self._connection)
        self._noted_at = time.monotonic()
