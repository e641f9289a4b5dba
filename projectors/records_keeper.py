"""Keeps `records` and `ledger.records` saying the same: ends here what the log says was ended, appends what it lacks.

After a restore the log knows more than the database, after a loss of the log's tail it is the other way round. It runs
in a thread of every worker, in a copy too, where nothing is appended.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import structlog
from kafka.errors import KafkaError

from ledger.core.errors import LedgerError
from ledger.log.book import BookEmpty, BookStale, Follower
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
# The clocks of broker and database may differ by so much.
_MARGIN = timedelta(seconds=1)

_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    KafkaError,
    LogUnavailable,
    BookStale,
    BookEmpty,
    rebuilds.RebuildRunning,
)

log = structlog.get_logger()


class RecordsKeeper:
    """A thread that runs as long as the process. `end`: is told what must end the worker."""

    def __init__(self, settings: Settings, book: Follower, end: Callable[[BaseException], None]) -> None:
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
                        rounds.once()
                        time.sleep(_ROUND_SECONDS)
            except _AWAY as error:
                log.warning("records_wait", reason=type(error).__name__)
                time.sleep(_ROUND_SECONDS)
            except LedgerError as error:
                self._end(error)


class _Rounds:
    """The rounds of one connection, which begin with the whole topic: below it the database may have been replaced."""

    def __init__(self, settings: Settings, book: Follower, connection: Connection, topic: RecordsLog) -> None:
        self._settings, self._book = settings, book
        self._connection, self._topic = connection, topic
        self._mine = installation_id(connection)
        self._owner: str | None = None
        self._invoiced = bool(settings.supplier.name) and not settings.fold_only
        self._known = log_events.known(connection)
        self._missing = set(self._known)  # on the log, until the topic was read once
        self._erasures: list[AccountErased] = []
        self._since = datetime.now(UTC)
        self._noted_at = float("-inf")
        self._reported = 0

    def once(self) -> None:
        """Raises LogOfAnother once the log belongs to another database."""
        events = self._topic.to_end(self._book.book)
        self._owner = owner_after(self._owner, events)
        if not self._settings.fold_only:
            refuse_another(self._owner, self._mine)
        if events:
            self._meet([event for event in events if event.id not in self._known])
            log_events.seen(self._connection, [event.id for event in events if event.id in self._known])
        self._report()
        self._erase()
        if not self._settings.fold_only:
            self._say_again({event.id for event in events})
        self._note_read()

    def _meet(self, events: Sequence[RecordsEvent]) -> None:
        """Those of them that were not noted here, perhaps a moment ago, were ended after the dump that stands here."""
        self._known |= log_events.known(self._connection, [event.id for event in events])
        for event in events:
            if isinstance(event, AccountErased) and event.id not in self._known:
                self._erasures.append(event)
            elif event.id not in self._known:
                self._take(event)

    def _erase(self) -> None:
        """Erases what can be erased by now; the rest in a later round, and at the latest after a restart.

        The views say whether an invoice still needs the name.
        """
        if not self._erasures or (self._invoiced and not self._views_are_current()):
            return
        left = []
        for event in self._erasures:
            try:
                self._take(event)
            except NotInvoicedYet:
                left.append(event)
        self._erasures = left

    def _take(self, event: RecordsEvent) -> None:
        with self._connection.transaction():
            if log_events.meet(self._connection, event) and not isinstance(event, LogClaimed):
                end_again(self._connection, event, invoiced=self._invoiced)
                log_events.end_visits(self._connection)  # the restore may have brought some back, too
                log.warning("ended_again", type=event.type, event_id=event.id)
        self._known.add(event.id)

    def _views_are_current(self) -> bool:
        if rebuilds.unfinished(self._connection) is not None:
            return False
        through = accepted_events.true_up_to(self._connection)
        return through is not None and through >= self._since + _MARGIN

    def _say_again(self, on_log: set[str]) -> None:
        """Appends what was noted and could not be appended, and what the log has lost."""
        if self._missing:
            log_events.gone(self._connection, self._missing - on_log)
            self._missing = set()
        with self._connection.transaction():
            waiting = log_events.unseen(self._connection)
            if not waiting:
                return
            with Publisher(self._settings, delivery_seconds=_APPEND_SECONDS) as publisher:
                key = self._settings.signing_key()
                for each in [
                    publisher.append_event(RECORDS, RECORDS_EVENT.validate_json(one.value), key) for one in waiting
                ]:
                    each.position()
            log_events.seen(self._connection, [one.event_id for one in waiting])
        log.info("said_again", events=len(waiting))

    def _report(self) -> None:
        """Makes dead letters of the topic's records that don't count."""
        new = self._topic.rejected[self._reported :]
        if new:
            report_rejected(self._connection, self._settings, RECORDS, new)
            self._reported += len(new)

    def _note_read(self) -> None:
        if time.monotonic() < self._noted_at + _NOTE_SECONDS:
            return
        if log_events.note_read(self._connection):
            # Nobody folded for long, or an older database stands here now.
            log_events.end_visits(self._connection)
        self._noted_at = time.monotonic()
