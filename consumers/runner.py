"""Runs one consumer: handles every record at least once, and commits it only afterwards.

A record without a valid signature becomes a dead letter. While Kafka or Postgres is away, the consumer waits. Any other
error ends the process: a consumer that only logged the error would lose the record.
"""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psycopg
from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    RebalanceInProgressError,
    RetriableError,
    UnknownMemberIdError,
)

from consumers.consumer import Consumer, Received
from consumers.pending_records import PendingRecords
from consumers.retry_pause import RetryPause
from consumers.standstill import Standstill
from ledger.core.admission import check_signer
from ledger.core.book_versions import Book
from ledger.core.errors import Refused
from ledger.log.book import BookEmpty, BookFollower, BookStale
from ledger.log.connecting import (
    REQUEST_MS,
    KafkaForbids,
    KafkaRefusesUser,
    LogUnavailable,
    kafka_options,
    refusals_in_words,
)
from ledger.log.dead_letters import Problem, dead_letter_of, problem_of
from ledger.log.decoding import event_of
from ledger.log.kafka_python_fixes import naming_the_batch
from ledger.log.publisher import AppendGuard, Publisher
from ledger.log.validation import signer_of
from ledger.postgres.connections import connect
from ledger.postgres.kinds import SEAT
from ledger.records.seats import Seat
from ledger.settings import Settings
from schemas.topics import DEAD_LETTERS

SOURCE = "ledger/consumers"
_POLL_MS = 500
_BUSY_POLL_MS = 50
_PENDING_MAX = 400
_COMMIT_MS = 10_000
_LEAVE_MS = 2_000
_DEAD_LETTER_SECONDS = 10
_RECORDS_MAX = 100

# Kafka, the end of the book or Postgres is away, or the group has given our partitions to another member meanwhile.
_COMES_BACK = (
    RetriableError,
    LogUnavailable,
    BookStale,
    BookEmpty,
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
    psycopg.OperationalError,
)


class Runner:
    """Runs one consumer in its group, until `stopping` is set. The caller keeps `book` up to date."""

    def __init__(
        self, consumer: Consumer, settings: Settings, book: BookFollower, guard: AppendGuard, stopping: threading.Event
    ) -> None:
        self._consumer, self._settings, self._stopping = consumer, settings, stopping
        self._book, self._guard = book, guard

    def run(self) -> None:
        """Raises what the consumer raises, KafkaRefusesUser, KafkaForbids, BookNotReadable or LogUnreadable."""
        retry_pause = RetryPause(self._consumer.name, self._stopping)
        while not self._stopping.is_set():
            try:
                self._consume(retry_pause)
            except (KafkaRefusesUser, KafkaForbids):
                raise
            except _COMES_BACK as error:
                retry_pause.wait(error)

    def _consume(self, retry_pause: RetryPause) -> None:
        at_once = self._consumer.at_once
        with self._kafka() as kafka, ThreadPoolExecutor(at_once, self._consumer.name) as threads:
            pending, standstill = PendingRecords(threads), Standstill(kafka)
            while not self._stopping.is_set():
                book = self._book.book()
                room = len(pending) < _PENDING_MAX
                with naming_the_batch(kafka):
                    polled = kafka.poll(timeout_ms=_BUSY_POLL_MS if pending else _POLL_MS) if room else {}
                standstill.check(polled=bool(polled or pending))
                for record in itertools.chain.from_iterable(polled.values()):
                    pending.submit(record, partial(self._handle, book=book))
                if not room:
                    self._stopping.wait(_BUSY_POLL_MS / 1000)
                pending.retain(kafka.assignment())
                if offsets := pending.committable():
                    kafka.commit(offsets, timeout_ms=_COMMIT_MS)
                retry_pause.reset()
            self._finish(kafka, pending, threads)

    @staticmethod
    def _finish(kafka: KafkaConsumer, pending: PendingRecords, threads: ThreadPoolExecutor) -> None:
        """Handles the pending records to the end and commits them, so that they don't come again."""
        threads.shutdown(wait=True)
        pending.retain(kafka.assignment())
        if offsets := pending.committable():
            kafka.commit(offsets, timeout_ms=_COMMIT_MS)

    def _handle(self, record: ConsumerRecord, book: Book) -> None:
        received = self._received(record, book)
        if isinstance(received, Problem):
            self._dead_letter(record, received)
        else:
            self._consumer.handle(received)

    def _received(self, record: ConsumerRecord, book: Book) -> Received | Problem:
        """The event of a record, or what is wrong with it."""
        topic = record.topic.removeprefix(self._settings.topic_prefix)
        event = event_of(topic, record)
        if isinstance(event, Problem):
            return event
        key_id = signer_of(record, record.value or b"", self._settings.secrets)
        if isinstance(key_id, Problem):
            return key_id
        try:
            check_signer(event.type, key_id, book.at(record.timestamp), record.timestamp)
        except Refused as refusal:
            return problem_of(refusal)
        return Received(topic, record.partition, record.offset, record.timestamp, event)

    def _dead_letter(self, record: ConsumerRecord, problem: Problem) -> None:
        """Appends a dead letter. They are rare, so each may have a producer of its own."""
        letter = dead_letter_of(SOURCE, record.topic, record.partition, record, problem)
        with Publisher(self._settings, self._guard, delivery_seconds=_DEAD_LETTER_SECONDS) as publisher:
            publisher.append_event(DEAD_LETTERS, letter, self._settings.signing_key()).position()

    @contextmanager
    def _seat(self) -> Iterator[Seat]:
        """A seat in the group, held by a connection of its own.

        If Postgres restarts, the seat is free. A process that takes it then fences this one, which takes another seat.
        """
        seat = Seat(self._settings.group(self._consumer.name))
        with connect(self._settings.database, SEAT) as connection:
            seat.claim(connection)
            yield seat

    @contextmanager
    def _kafka(self) -> Iterator[KafkaConsumer]:
        with self._seat() as seat, refusals_in_words():
            kafka = KafkaConsumer(
                *map(self._settings.topic, self._consumer.topics),
                **kafka_options(self._settings),
                group_id=self._settings.group(self._consumer.name),
                client_id=f"ledger-{self._consumer.name}",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                max_poll_records=_RECORDS_MAX,
                # As the projector's workers.
                group_instance_id=seat.name,
                session_timeout_ms=6_000,
                heartbeat_interval_ms=500,
                bootstrap_timeout_ms=5_000,
                reconnect_backoff_max_ms=1_000,
                request_timeout_ms=REQUEST_MS,
            )
            try:
                yield kafka
            finally:
                kafka.close(autocommit=False, timeout_ms=_LEAVE_MS)
