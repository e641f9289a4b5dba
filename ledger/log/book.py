"""The book as this process knows it: read from its topic from the beginning, and followed from then on.

`BookFollower.book()` refuses to answer when the end of the topic was not seen within `FRESH_SECONDS`. A version takes
effect at least 60 s after its append, so all processes with a fresh book fold every event alike.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from pydantic import ValidationError

from ledger.core.book_versions import Book
from ledger.core.errors import EXIT_CONFIG, LedgerError, Refused, UnsignedBook
from ledger.core.fold import RULES
from ledger.log.connecting import ANSWER_MS, REQUEST_MS, LogUnavailable, kafka_options, refusals_in_words
from ledger.log.dead_letters import Problem, invalid, problem_of
from ledger.log.kafka_python_fixes import naming_the_batch
from ledger.log.publisher import Position, Publisher
from ledger.log.record import Record
from ledger.log.topic_settings import BOOK_BYTES_MAX
from ledger.log.validation import recovery_of, signer_of
from ledger.settings import Settings
from schemas.book import BOOK, BOOK_SUBJECT, BookEvent, BookPublished, BookVersion, BookWithdrawn, Withdrawal
from schemas.fields import json_of
from schemas.identity import derived_id
from schemas.signatures import SigningKey
from schemas.topics import BOOK as BOOK_TOPIC

FRESH_SECONDS = 20
_SOURCE = "ledger/book"
_POLL_SECONDS = 1
_CLOSE_MS = 1000


class BookStale(LedgerError):
    message = "The end of the book was not seen lately; folding waits until it is"


class BookEmpty(LedgerError):
    message = "The book has no version yet; publish one with `ledger book publish`"


class BookLost(LedgerError, exit_code=EXIT_CONFIG):
    message = "The book's topic has lost events that were folded by; `ledger recover` puts them back"


class BookNotReadable(LedgerError, exit_code=EXIT_CONFIG):
    message = "This program can't fold by the book: it lacks its rules or the secret of one of its keys"


class BookTooLarge(LedgerError):
    message = "A version of the book has at most 1,000,000 bytes, so that Kafka takes it as one record"


class SignedValue(NamedTuple):
    """The record of an event: its value, and the header with its signature."""

    value: bytes
    header: tuple[str, bytes]


class StatedEvent(NamedTuple):
    """An accepted event as it is on the topic, its number among them, and the log time that its notice counts from."""

    number: int
    value: bytes
    appended_ms: int


class RejectedRecord(NamedTuple):
    """A record of the book's topic that changes nothing."""

    record: Record
    problem: Problem


class BookReader:
    """Folds the records of the book's topic, one after the other, into a Book."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self.book = Book()
        self.stated: list[StatedEvent] = []
        self.rejected: list[RejectedRecord] = []
        self._secrets = secrets

    def read(self, record: Record) -> BookEvent | None:
        """Takes one more event and returns it, or notes why it is none. Raises BookNotReadable."""
        try:
            event, book = self.with_record(record)
            self.stated.append(StatedEvent(len(self.stated) + 1, record.value or b"", self._appended_ms(record)))
            self.book = book  # last: who folds by it must find it in `stated`
            return event
        except ValidationError as error:
            self._reject(record, invalid(error))
        except Refused as error:
            self._reject(record, problem_of(error))
        return None

    def with_record(self, record: Record) -> tuple[BookEvent, Book]:
        """The event of a record, and the book after it; nothing changes here, so a record can be rehearsed.

        Raises ValidationError, Refused or BookNotReadable.
        """
        event = BOOK.validate_json(record.value or b"")
        self._check_signature(record, event)
        book = self.book.with_event(event, self._appended_ms(record))
        if isinstance(event, BookPublished):
            self._check_readable(event.data)
        return event, book

    def _check_signature(self, record: Record, event: BookEvent) -> None:
        """An event must be signed by a key that is accepted at its append; the first version by a key of its own.

        One that is recovered has an older log time, but its key must be valid when it is appended again.
        """
        key_id = signer_of(record, record.value or b"", self._secrets)
        if isinstance(key_id, Problem):
            raise UnsignedBook(str(key_id))
        if not self.may_sign(key_id, event, record.timestamp):
            raise UnsignedBook()

    def may_sign(self, key_id: str | None, event: BookEvent, at_ms: int) -> bool:
        """Whether a key may sign this event when it is appended at that time."""
        book = self.book
        if not book.versions and isinstance(event, BookPublished):
            book = Book().with_version(event.data.model_copy(update={"version": 1}), at_ms)
        return key_id is not None and bool(book.versions) and book.at(at_ms).accepts_key(key_id, at_ms)

    def _appended_ms(self, record: Record) -> int:
        """The log time of an event: of one that is recovered, the one that it had. Raises UnsignedBook."""
        recovery = recovery_of(record, record.value or b"", self._secrets)
        if isinstance(recovery, Problem):
            raise UnsignedBook(str(recovery))
        if recovery is None:
            return record.timestamp
        if signer_of(record, record.value or b"", self._secrets) != recovery.key_id:
            raise UnsignedBook("ledger-recovered must be made with the key of ledger-signature")
        return recovery.log_time_ms

    def _check_readable(self, version: BookVersion) -> None:
        if version.rules not in RULES:
            raise BookNotReadable(f"version {version.version} needs rules {version.rules}; update the program")
        missing = [key.key_id for key in version.signing_keys if key.key_id not in self._secrets]
        if missing:
            raise BookNotReadable(f"LEDGER_SIGNING_KEYS lacks {', '.join(missing)}")

    def _reject(self, record: Record, problem: Problem) -> None:
        self.rejected.append(RejectedRecord(record, problem))


class BookFollower:
    """Follows the book's topic in a thread of its own; `close` ends it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reader = BookReader(settings.secrets)
        self._next_offset = 0
        self._seen_end_at = float("-inf")
        self._failure: LedgerError | None = None
        self.refused = ""  # why the broker refuses us, as a sentence; empty when it does not, or does not answer
        self._closing = threading.Event()
        self._first_read = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="book", daemon=True)
        self._thread.start()

    def book(self) -> Book:
        """The book, fresh enough to fold with. Raises BookStale, BookEmpty, BookNotReadable or LogUnreadable."""
        if self._failure:
            raise self._failure
        if self.age_seconds > FRESH_SECONDS:
            raise BookStale(self.refused)
        if not self._reader.book.versions:
            raise BookEmpty()
        return self._reader.book

    @property
    def last(self) -> Book:
        """The book as it was last read: it may be empty or stale. To show, not to fold with."""
        return self._reader.book

    @property
    def age_seconds(self) -> float:
        """How long ago the end of the topic was seen, which is also when the broker last answered."""
        return time.monotonic() - self._seen_end_at

    @property
    def stated(self) -> list[StatedEvent]:
        """Every accepted event as it is on the topic, oldest first."""
        return list(self._reader.stated)

    @property
    def rejected(self) -> list[RejectedRecord]:
        """Records of the topic that change nothing, oldest first."""
        return list(self._reader.rejected)

    def wait(self, timeout_seconds: float) -> bool:
        """Waits until the end of the topic was seen once; False when it was not in time."""
        return self._first_read.wait(timeout_seconds)

    def close(self) -> None:
        """Ends the thread."""
        self._closing.set()
        self._thread.join(timeout=10)

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                with refusals_in_words():
                    self._follow_until_closed()
            except (KafkaError, LogUnavailable, OSError, RuntimeError) as error:
                # The book goes stale, which stops every fold until the broker is back. kafka-python raises the last two
                # when its connections end during a call; then another client is made.
                self.refused = str(error) if isinstance(error, LogUnavailable) else ""
                self._closing.wait(_POLL_SECONDS)
            except LedgerError as error:
                self._failure = error
                self._first_read.set()
                return

    def _follow_until_closed(self) -> None:
        consumer, partition = book_consumer(self._settings)
        try:
            consumer.seek(partition, self._next_offset)
            while not self._closing.is_set():
                asked_at = time.monotonic()
                for record in records_to_the_end(consumer, partition, self._next_offset):
                    self._reader.read(record)
                    self._next_offset = record.offset + 1
                self._seen_end_at, self.refused = asked_at, ""
                self._first_read.set()
                self._closing.wait(_POLL_SECONDS)
        finally:
            consumer.close(timeout_ms=_CLOSE_MS)


def book_consumer(settings: Settings) -> tuple[KafkaConsumer, TopicPartition]:
    """A consumer without a group, assigned to the book's only partition; returns both."""
    consumer = KafkaConsumer(
        **kafka_options(settings),
        enable_auto_commit=False,
        # A broker that is back is to be noticed within seconds, however long it was away.
        bootstrap_timeout_ms=5000,
        reconnect_backoff_max_ms=1000,
        request_timeout_ms=REQUEST_MS,
    )
    partition = TopicPartition(settings.topic(BOOK_TOPIC), 0)
    consumer.assign([partition])
    return consumer, partition


def records_to_the_end(consumer: KafkaConsumer, partition: TopicPartition, read_to: int = 0) -> Iterator[Record]:
    """The records up to where the topic ends now.

    Raises BookLost when that is before `read_to`, LogUnreadable, or KafkaTimeoutError when no record comes.
    """
    end, heard_at = consumer.end_offsets([partition], timeout_ms=ANSWER_MS)[partition], time.monotonic()
    if end < read_to:
        raise BookLost(f"{partition.topic} ends at {end}, read up to {read_to}")
    while (consumer.position(partition, timeout_ms=ANSWER_MS) or 0) < end:
        with naming_the_batch(consumer):
            records = consumer.poll(timeout_ms=1000).get(partition, [])
        yield from records
        if records:
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > ANSWER_MS / 1000:
            raise KafkaTimeoutError(f"{partition.topic} can't be read to its end")


def published(version: BookVersion) -> BookPublished:
    """The event of a version. The same version twice has the same event id."""
    return BookPublished(source=_SOURCE, id=derived_id(BOOK_SUBJECT, str(version.version)), data=version)


def withdrawn(number: int) -> BookWithdrawn:
    """The event that withdraws a version."""
    id = derived_id(BOOK_SUBJECT, "withdrawn", str(number))
    return BookWithdrawn(source=_SOURCE, id=id, data=Withdrawal(version=number))


def record_of(event: BookEvent, signing_key: SigningKey) -> SignedValue:
    """What is appended for an event. Raises BookTooLarge."""
    value = json_of(event)
    if isinstance(event, BookPublished) and len(value) > BOOK_BYTES_MAX:
        raise BookTooLarge(f"{len(value):,} bytes; {len(event.data.prices):,} prices", field="prices")
    return SignedValue(value, signing_key.header(value))


def publish_version(publisher: Publisher, version: BookVersion, signing_key: SigningKey) -> Position:
    """Appends a version of the book, signed. Raises BookTooLarge or LogUnavailable."""
    return append_event(publisher, published(version), signing_key)


def append_event(publisher: Publisher, event: BookEvent, signing_key: SigningKey) -> Position:
    """Appends an event of the book, signed. Raises BookTooLarge or LogUnavailable."""
    value, header = record_of(event, signing_key)
    return publisher.append(BOOK_TOPIC, BOOK_SUBJECT.encode(), value, [header]).position()
