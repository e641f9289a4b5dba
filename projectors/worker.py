"""One worker process: a Faust app whose agent passes whole fetches to the projection.

It waits for servers that are away (Postgres, Kafka) and for the end of the book. Every other error ends the process,
which is always safe: a restarted worker continues from Postgres.
"""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import faust
import psycopg
import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from kafka.errors import KafkaError as KafkaPythonError
from yarl import URL

from ledger import logs
from ledger.core.book_versions import Book
from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.guard.guard import Guard
from ledger.log.book import FRESH_SECONDS, BookEmpty, BookFollower, BookStale
from ledger.log.connecting import LogUnavailable, tls_of, uses_sasl
from ledger.postgres.release import WRONG_SHAPE
from ledger.records import book_events
from ledger.records.rebuilds import RebuildRunning
from ledger.records.seats import Seat
from ledger.records.skips import skips
from ledger.settings import Settings
from projectors.assignor import assignor_of
from projectors.continuity import check_continuity
from projectors.fetching import install
from projectors.group import group_of
from projectors.log_noise import filter_noise
from projectors.misplaced_warning import MisplacedWarning
from projectors.partition_waits import WaitTracker
from projectors.projection import FetchGap, Projection
from projectors.records_sync import RecordsSync
from projectors.rejections import REPORTING_PARTITION, report_rejected
from projectors.relay import Relay
from projectors.session import Blocked, Fenced, Session
from projectors.startup import prepare
from projectors.transport import Fetch, FetchConsumer, FetchTransport, PassThrough
from projectors.watchdog import Watchdog
from schemas.topics import BOOK, EVENTS

EXIT_FAILED = 70
_RETRY_SECONDS = 0.5
_PREPARE_SECONDS = 0.5
_BEAT_SECONDS = 1.0
_BEATS_UNTIL_RETRY = 5
_STOP_SECONDS = 5.0
_ANSWER_SECONDS = 5.0

# The worker waits for these: a restart would not help.
_UNAVAILABLE = (psycopg.OperationalError, psycopg.InterfaceError, RebuildRunning)

T = TypeVar("T")

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Folds until stopped. Raises LedgerError if it must not start."""
    logs.configure(settings.log_format)
    filter_noise()
    threading.excepthook = _end_process
    # A batch allocates some hundred thousand objects and frees them all by reference count. Searching them for cycles
    # took a third of the fold's time (docs/decisions/0003).
    gc.set_threshold(1_000_000, 10, 10)
    install()
    partitions = _when_there(partial(prepare, settings))
    group = _when_there(partial(group_of, settings))
    seat = Seat(group)
    session = Session(settings, seat=seat)
    _when_there(session.connection)
    worker = Worker(settings, partitions, session, group, seat)
    runner = faust.Worker(worker.app, override_logging=False, redirect_stdouts=False, quiet=True)
    runner.spinner = None  # it writes cursor movements, also into files
    runner.execute_from_commandline()


def _when_there(do: Callable[[], T]) -> T:
    """Waits for servers that are away, and for a rebuild, and logs the reason: it may be a wrong password.

    Raises the LedgerErrors of `do`.
    """
    while True:
        try:
            return do()
        except (psycopg.OperationalError, KafkaPythonError, RebuildRunning) as error:
            _log_waiting(error)
            time.sleep(_PREPARE_SECONDS)


def _log_waiting(error: Exception) -> None:
    """Logs what the worker waits for."""
    match error:
        case RebuildRunning():
            what = "rebuild"
        case BookStale() | BookEmpty():
            what = "book"
        case psycopg.Error():
            what = "postgres"
        case _:
            what = "kafka"
    log.warning("waiting", for_=what, error=type(error).__name__, reason=" ".join(str(error).split()))


class _App(faust.App):
    """A Faust app without tables, so it needs no folder for them. It stops when told to, also without a broker."""

    def _create_directories(self) -> None:
        pass

    async def stop(self) -> None:
        # Without a broker the consumer would try without end to leave its group. All folded records are in Postgres.
        threading.Thread(target=self._end_soon, name="stop", daemon=True).start()
        await super().stop()

    def _end_soon(self) -> None:
        time.sleep(_STOP_SECONDS)
        log.warning("stopped_without_leaving_the_group")
        os._exit(EXIT_FAILED if self.crashed else 0)


class Worker:
    """The parts of a projector process, and the rules of when to wait, when to read again and when to end."""

    def __init__(self, settings: Settings, partitions: int, session: Session, group: str, seat: Seat) -> None:
        self._settings = settings
        self._topic = settings.topic(EVENTS)
        self._projection = Projection(settings, partitions, session, MisplacedWarning())
        self.app = self._create_app(partitions, group, seat)
        self._book = BookFollower(settings)
        self._guard = Guard(settings, self._end).start()
        self._relay = Relay(settings, self._guard)
        RecordsSync(settings, self._book, self._end)
        self._watchdog = Watchdog(settings.stall_seconds, session.interrupt)
        self._wait_tracker = WaitTracker(settings, self._topic)
        self._beats_left = 0
        self._reported = 0
        self._kept = -1

    def _create_app(self, partitions: int, group: str, seat: Seat) -> faust.App:
        broker = [URL(f"kafka://{server}") for server in self._settings.kafka.split(",")]
        app = _App(
            group,
            broker=broker,
            broker_credentials=_credentials(self._settings),
            store="memory://",
            topic_disable_leader=True,
            topic_allow_declare=False,
            stream_buffer_maxsize=16,
            stream_wait_empty=False,
            broker_max_poll_records=50_000,
            consumer_max_fetch_size=4 * 1024 * 1024,
            consumer_auto_offset_reset="earliest",
            # A restarted worker gets its seat's partitions back at once. The partitions of a worker that stays away
            # move after its session, the shortest that brokers allow, and the next heartbeat of each other worker.
            consumer_group_instance_id=seat.name,
            broker_session_timeout=6.0,
            broker_heartbeat_interval=0.5,
            agent_supervisor="mode.CrashingSupervisor",
            PartitionAssignor=assignor_of(partitions),
        )
        app.conf.web_enabled = False
        app.transport = FetchTransport(broker, app, self._topic, self._load_offsets)
        schema = PassThrough(key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        topic = app.topic(self._topic, schema=schema, partitions=partitions)
        app.agent(topic)(self._agent)
        app.task(self._beats)
        return app

    async def _agent(self, stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            try:
                await self._handle(message.tp.partition, message.value, message.generation_id)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError):
                    raise
                self._end(error)

    async def _handle(self, partition: int, fetch: Fetch, generation: int) -> None:
        """Projects a fetch, and waits for servers that are away, as long as the partition belongs to this worker."""
        if fetch.doubtful:
            await self._check_continuity({partition})
        while self.app.consumer_generation_id == generation:
            try:
                if self._projection.project(partition, fetch, await self._fresh_book()):
                    self._relay.wake()
                self._watchdog.progressed()
                return
            except FetchGap as gap:
                log.warning("reads_again", reason=str(gap))
                await self.app.consumer.perform_seek()
                return
            except Fenced as fenced:
                log.info("fenced", reason=str(fenced))
                self._projection.forget(partition)
            except Blocked:
                self._unblock(partition)
            except _UNAVAILABLE as error:
                await self._wait_for(error)
                self._projection.disconnect()

    def _unblock(self, partition: int) -> None:
        try:
            terminated = self._projection.session.terminate_blockers(partition)
        except _UNAVAILABLE:
            self._projection.disconnect()
            return
        log.warning("blocked", partition=partition, terminated=terminated)

    async def _fresh_book(self) -> Book:
        while True:
            try:
                book = self._book.book()
                self._keep_book()
                return book
            except (BookStale, BookEmpty) as error:
                self._keep_book()
                await self._wait_for(error)

    def _keep_book(self) -> None:
        """Stores the book before anything is folded by it. Raises BookLost or BookDiffers."""
        age, stated = self._book.age_seconds, self._book.stated
        if len(stated) > self._kept and age < FRESH_SECONDS:
            book_events.keep(self._projection.session.connection(), stated, age)
            self._kept = len(stated)

    async def _load_offsets(self, partitions: set[int]) -> dict[int, int]:
        """Where to read the assigned partitions from, after checking that the log is the one that was folded."""
        self._relay.set_partitions(partitions)
        await self._check_continuity(partitions)
        while True:
            try:
                self._load_skips()
                return {partition: self._projection.next_offset(partition) for partition in partitions}
            except _UNAVAILABLE as error:
                await self._wait_for(error)
                self._projection.disconnect()
            except LedgerError as error:
                self._end(error)

    async def _check_continuity(self, partitions: set[int]) -> None:
        while True:
            try:
                return await asyncio.to_thread(check_continuity, self._settings, partitions)
            except (psycopg.OperationalError, KafkaPythonError, LogUnavailable) as error:
                await self._wait_for(error)
            except LedgerError as error:
                self._end(error)

    async def _wait_for(self, error: Exception) -> None:
        _log_waiting(error)
        self._watchdog.progressed()
        await asyncio.sleep(_RETRY_SECONDS)

    async def _beats(self) -> None:
        """Once a second: how far the views are up to date, and a sign of life for the watchdog."""
        while not self.app.should_stop:
            lag = 0
            try:
                lag = await self._note_caught_up()
                self._projection.session.check_release()
                await self._retry_unreadable()
                self._report_rejected()
                self._keep_book()
            except (TimeoutError, KafkaError, KafkaPythonError, LogUnavailable) as error:
                _log_waiting(error)
                self._watchdog.progressed()
            except _UNAVAILABLE:
                self._projection.disconnect()
            except (LedgerError, *WRONG_SHAPE) as error:  # a person must decide, or another process has the seat
                self._end(error)
            self._watchdog.beat(lag)
            await asyncio.sleep(_BEAT_SECONDS)

    async def _note_caught_up(self) -> int:
        """Returns how many records could be folded and are not."""
        consumer = cast(FetchConsumer, self.app.consumer)
        asked_ms = time.time_ns() // 1_000_000
        ends = await asyncio.wait_for(consumer.ends(), timeout=_ANSWER_SECONDS)
        folded, unreadable = self._projection.folded(), dict(consumer.unreadable)
        # Either more was folded meanwhile, or the log has lost its end; the check finds out.
        if beyond := {partition for partition, end in ends.items() if folded.get(partition, 0) > end.high}:
            await asyncio.wait_for(asyncio.to_thread(check_continuity, self._settings, beyond), _ANSWER_SECONDS)
        waiting = self._wait_tracker.find_waits(ends, folded, unreadable)
        for partition, end in ends.items():
            self._projection.note_caught_up(partition, end.high, asked_ms, waiting.get(partition))
        await asyncio.to_thread(self._wait_tracker.log_waits, waiting, unreadable)
        behind = ((end.stable, folded.get(number, end.stable)) for number, end in ends.items() if number not in waiting)
        return sum(max(0, stable - place) for stable, place in behind)

    async def _retry_unreadable(self) -> None:
        """Every few seconds: unreadable records may be readable by now, or a person has decided to skip them."""
        self._beats_left = (self._beats_left or _BEATS_UNTIL_RETRY) - 1
        if not self._beats_left:
            consumer = cast(FetchConsumer, self.app.consumer)
            if consumer.unreadable:
                self._load_skips()
            await asyncio.wait_for(consumer.retry(), _ANSWER_SECONDS)

    def _load_skips(self) -> None:
        cast(FetchTransport, self.app.transport).skips = skips(self._projection.session.connection(), self._topic)

    def _report_rejected(self) -> None:
        """Makes dead letters of the book topic's rejected records since the last time."""
        new = self._book.rejected[self._reported :]
        if new and TP(self._topic, REPORTING_PARTITION) in self.app.consumer.assignment():
            report_rejected(self._projection.session.connection(), self._settings, BOOK, new)
            self._reported += len(new)
            self._relay.wake()

    def _end(self, error: BaseException) -> None:
        """Ends the process at once: nothing more may be folded, acknowledged or cleaned up."""
        code = getattr(error, "code", type(error).__name__)
        log.error("worker_ends", code=code, reason=str(error), exc_info=not isinstance(error, LedgerError))
        os._exit(_exit_code(error))


def _credentials(settings: Settings) -> faust.types.auth.CredentialsT | None:
    """The worker's Kafka credentials, in Faust's form."""
    tls = tls_of(settings)
    if uses_sasl(settings):
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=tls,
        )
    return faust.SSLCredentials(tls) if tls else None


def _exit_code(error: BaseException | None) -> int:
    """The exit code: only errors that need a person's decision have EXIT_CONFIG. After others a restart continues."""
    decided = isinstance(error, WRONG_SHAPE) or getattr(error, "exit_code", None) == EXIT_CONFIG
    return EXIT_CONFIG if decided else EXIT_FAILED


def _end_process(failed: threading.ExceptHookArgs) -> None:
    """A failed thread ends the process: a worker must not run without its relay or book."""
    log.error("thread_failed", thread=failed.thread.name if failed.thread else "?", reason=repr(failed.exc_value))
    os._exit(_exit_code(failed.exc_value))
