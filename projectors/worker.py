"""One worker: a Faust app whose single agent hands whole fetches to the projection, and everything around it.

Whatever is only away (Postgres, Kafka, the end of the book) is waited for. Whatever is wrong ends the process: a
worker that is started again reads from Postgres where to go on, so that ending is always safe and going on is not.
"""

import asyncio
import gc
import os
import threading
import time
from typing import Any, cast

import faust
import psycopg
import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from kafka.errors import KafkaError as KafkaPythonError
from yarl import URL

from ledger import logs
from ledger.core.book import Book
from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.book import BookEmpty, BookStale, Follower
from ledger.log.connecting import LogUnavailable, tls_of, uses_sasl
from ledger.records.rebuilds import RebuildRunning
from ledger.records.release import WRONG_SHAPE
from ledger.settings import Settings
from projectors.continuity import check_continuity
from projectors.misplaced import MisplacedReport
from projectors.noise import turn_down
from projectors.projection import Gap, Projection
from projectors.rejections import REPORTING_PARTITION, report_rejected
from projectors.relay import Relay
from projectors.session import Blocked, Fenced, Session
from projectors.start import prepare
from projectors.transport import Fetch, FetchConsumer, FetchTransport, PassThrough
from projectors.watchdog import Watchdog
from schemas.topics import EVENTS

EXIT_FAILED = 70
_RETRY_SECONDS = 0.5
_PREPARE_SECONDS = 2.0
_BEAT_SECONDS = 1.0
_STOP_SECONDS = 5.0
_ANSWER_SECONDS = 5.0

# What a restart would not bring back sooner.
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, RebuildRunning)

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Folds until told to stop. Raises LedgerError when it must not start."""
    logs.configure(settings.log_format)
    turn_down()
    threading.excepthook = _end_process
    # A batch allocates some hundred thousand objects and frees them all by reference count; looking for cycles among
    # them cost a third of the fold's time (docs/decisions/0003).
    gc.set_threshold(1_000_000, 10, 10)
    worker = Worker(settings, _prepare(settings))
    runner = faust.Worker(worker.app, override_logging=False, redirect_stdouts=False, quiet=True)
    runner.spinner = None  # it writes cursor movements, also into files
    runner.execute_from_commandline()


def _prepare(settings: Settings) -> int:
    """Waits for servers that are away, and for a rebuild; the reason is in the log: it may be a wrong password.

    Raises LedgerError, as `prepare` does.
    """
    while True:
        try:
            return prepare(settings)
        except (psycopg.OperationalError, KafkaPythonError, RebuildRunning) as error:
            _log_waiting(error)
            time.sleep(_PREPARE_SECONDS)


def _log_waiting(error: Exception) -> None:
    """Says what is waited for, which the error knows better than the place where it is caught."""
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
    """A Faust app without tables, which needs no folder for them, and which ends when told to, broker or not."""

    def _create_directories(self) -> None:
        pass

    async def stop(self) -> None:
        # Without a broker the consumer would try to leave its group for ever; what was folded is in Postgres anyway.
        threading.Thread(target=self._end_soon, name="stop", daemon=True).start()
        await super().stop()

    def _end_soon(self) -> None:
        time.sleep(_STOP_SECONDS)
        log.warning("stopped_without_leaving_the_group")
        os._exit(EXIT_FAILED if self.crashed else 0)


class Worker:
    """Owns the parts of a projector process and the rules of when to wait, when to read again and when to end."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self._settings = settings
        self._topic = settings.topic(EVENTS)
        self._projection = Projection(settings, partitions, Session(settings), MisplacedReport())
        self.app = self._create_app(partitions)
        self._book = Follower(settings)
        self._relay = Relay(settings)
        self._watchdog = Watchdog(settings.stall_seconds)
        self._reported = 0

    def _create_app(self, partitions: int) -> faust.App:
        broker = [URL(f"kafka://{server}") for server in self._settings.kafka.split(",")]
        app = _App(
            self._settings.consumer_group,
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
            # Well below the time that customers notice: a dead worker's partitions wait for it.
            broker_session_timeout=6.0,
            broker_heartbeat_interval=1.5,
            agent_supervisor="mode.CrashingSupervisor",
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
        """Projects a fetch, waiting for what is away, as long as the partition stays ours."""
        if fetch.doubtful:
            await self._check_continuity({partition})
        while self.app.consumer_generation_id == generation:
            try:
                if self._projection.project(partition, fetch, await self._fresh_book()):
                    self._relay.wake()
                self._watchdog.progressed()
                return
            except Gap as gap:
                log.warning("reads_again", reason=str(gap))
                await self.app.consumer.perform_seek()
                return
            except Fenced as fenced:
                log.info("fenced", reason=str(fenced))
                self._projection.forget(partition)
            except Blocked:
                log.warning(
                    "blocked", partition=partition, terminated=self._projection.session.terminate_blockers(partition)
                )
            except _AWAY as error:
                await self._wait_for(error)
                self._projection.disconnect()

    async def _fresh_book(self) -> Book:
        while True:
            try:
                return self._book.book()
            except (BookStale, BookEmpty) as error:
                await self._wait_for(error)

    async def _load_offsets(self, partitions: set[int]) -> dict[int, int]:
        """Where to read the assigned partitions from, once it is sure that the log is the one that was folded."""
        self._relay.own(partitions)
        await self._check_continuity(partitions)
        while True:
            try:
                return {partition: self._projection.next_offset(partition) for partition in partitions}
            except _AWAY as error:
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
        """Once a second: how far the views are true, and a sign of life for the watchdog."""
        while not self.app.should_stop:
            lag = 0
            try:
                lag = await self._note_caught_up()
                self._projection.session.check_release()
                self._report_rejected()
            except (TimeoutError, KafkaError, KafkaPythonError, LogUnavailable) as error:
                _log_waiting(error)
                self._watchdog.progressed()
            except _AWAY:
                self._projection.disconnect()
            except (LedgerError, *WRONG_SHAPE) as error:
                self._end(error)
            self._watchdog.beat(lag)
            await asyncio.sleep(_BEAT_SECONDS)

    async def _note_caught_up(self) -> int:
        consumer = cast(FetchConsumer, self.app.consumer)
        asked_ms = time.time_ns() // 1_000_000
        ends = await asyncio.wait_for(consumer.ends(), timeout=_ANSWER_SECONDS)
        # Folded since the question was asked, or the log lost its tail and nothing new comes to tell: the check knows.
        if beyond := {partition for partition, end in ends.items() if self._projection.lag(partition, end) < 0}:
            await asyncio.wait_for(asyncio.to_thread(check_continuity, self._settings, beyond), _ANSWER_SECONDS)
        for partition, end in ends.items():
            self._projection.note_caught_up(partition, end, asked_ms)
        return sum(max(0, self._projection.lag(partition, end)) for partition, end in ends.items())

    def _report_rejected(self) -> None:
        """Makes dead letters of what was rejected on the book's topic since the last time."""
        new = self._book.rejected[self._reported :]
        if new and TP(self._topic, REPORTING_PARTITION) in self.app.consumer.assignment():
            report_rejected(self._projection.session.connection(), self._settings, new)
            self._reported += len(new)
            self._relay.wake()

    def _end(self, error: BaseException) -> None:
        """Ends the process at once: nothing more must be folded, acknowledged or cleaned up."""
        code = getattr(error, "code", type(error).__name__)
        log.error("worker_ends", code=code, reason=str(error), exc_info=not isinstance(error, LedgerError))
        os._exit(_exit_code(error))


def _credentials(settings: Settings) -> faust.types.auth.CredentialsT | None:
    """Who the worker is to Kafka, as Faust wants to know it."""
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
    """What a worker ends with: a defect is not for a person to decide, and a restart reads again where to go on."""
    decided = isinstance(error, WRONG_SHAPE) or getattr(error, "exit_code", None) == EXIT_CONFIG
    return EXIT_CONFIG if decided else EXIT_FAILED


def _end_process(failed: threading.ExceptHookArgs) -> None:
    """A thread that fails takes the process with it: a worker without its relay or book must not go on."""
    log.error("thread_failed", thread=failed.thread.name if failed.thread else "?", reason=repr(failed.exc_value))
    os._exit(_exit_code(failed.exc_value))
