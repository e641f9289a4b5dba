"""Every version of the book that was ever published, for the commands that show it and add to it.

A new event is rehearsed first, by the very code that every reader of the topic runs: what would be rejected is refused
before it is appended.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from kafka.errors import KafkaError
from pydantic import ValidationError

from ledger.core.book import Version
from ledger.core.book_versions import Book
from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError
from ledger.log.book import (
    BookEmpty,
    BookReader,
    RejectedRecord,
    StatedEvent,
    append_event,
    book_consumer,
    published,
    record_of,
    records_to_the_end,
    withdrawn,
)
from ledger.log.connecting import refusals_in_words
from ledger.log.publisher import AppendGuard, Position, Publisher
from ledger.log.record import PlainRecord, Record
from ledger.settings import Settings
from schemas.book import BOOK_SUBJECT, BookEvent, BookPublished, BookVersion
from schemas.fields import faults_of
from schemas.signatures import SigningKey


class BookUnreachable(LedgerError):
    message = "The book's topic can't be read; is Kafka there, and did `ledger topics --create` make the topic?"


class BookVersionInvalid(LedgerError):
    message = "This is not a version of the book"


class BookEventRejected(LedgerError):
    message = "The event was appended, but the readers of the book reject it; it is a dead letter and changes nothing"


class Published(NamedTuple):
    """A version as it was published, compiled, with the moment of its effect, and the log time of its append."""

    wire: BookVersion
    version: Version
    appended_ms: int


class BookHistory:
    """The versions so far, in the order of their numbers."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self.published: list[Published] = []
        self._reader = BookReader(secrets)
        self._accepted_offsets: set[int] = set()

    def read(self, record: Record) -> None:
        """Takes one more record of the topic. Raises BookNotReadable."""
        event = self._reader.read(record)
        if event is not None:
            self._accepted_offsets.add(record.offset)
        if isinstance(event, BookPublished):
            appended_ms = self._reader.stated[-1].appended_ms
            self.published.append(Published(event.data, self.book.versions[-1], appended_ms))

    @property
    def book(self) -> Book:
        """The book, compiled."""
        return self._reader.book

    @property
    def stated(self) -> list[StatedEvent]:
        """The events as they are on the topic."""
        return self._reader.stated

    @property
    def rejected(self) -> list[RejectedRecord]:
        """The records of the topic that change nothing."""
        return self._reader.rejected

    def may_sign(self, key_id: str, event: BookEvent, at_ms: int) -> bool:
        """Whether a key may sign the next event when it is appended at that time."""
        return self._reader.may_sign(key_id, event, at_ms)

    @property
    def next_number(self) -> int:
        """The number that the next version has."""
        return len(self.published) + 1

    def in_force(self, at_ms: int) -> Published:
        """The version in force at a log time, with the keys that are accepted then. Raises BookEmpty."""
        if not self.published:
            raise BookEmpty()
        version = self.book.at(at_ms)
        own = self.published[version.number - 1]
        keys = next(each.wire.signing_keys for each in self.published if each.version.keys is version.keys)
        return own._replace(wire=own.wire.model_copy(update={"signing_keys": keys}), version=version)

    def numbered(self, number: int) -> Published:
        """The version of this number, as it was published. Raises UnknownBookVersion."""
        return self.published[self.book.numbered(number).number - 1]

    def announced(self, at_ms: int) -> list[Version]:
        """The versions that take effect one after the other after a log time."""
        return self.book.following(self.book.at(at_ms)) if self.published else []

    def rehearse(self, event: BookEvent, signing_key: SigningKey, at_ms: int) -> Book:
        """The book as it would be if the event were appended at that time.

        Raises Refused, BookNotReadable or BookTooLarge, as its readers would.
        """
        value, header = record_of(event, signing_key)
        record = PlainRecord(BOOK_SUBJECT.encode(), value, [header], timestamp=at_ms)
        return self._reader.with_record(record)[1]

    def require_accepted(self, position: Position) -> None:
        """Raises BookEventRejected if the record there was rejected."""
        for rejected in self._reader.rejected:
            if rejected.record.offset == position.offset:
                raise BookEventRejected(f"offset {position.offset}: {rejected.problem}")
        assert position.offset in self._accepted_offsets, "the topic was read to its end, which lies after the append"


def read_history(settings: Settings) -> BookHistory:
    """The book's topic from its beginning to its end.

    Raises BookUnreachable, BookNotReadable, KafkaRefusesUser or KafkaForbids.
    """
    history = BookHistory(settings.secrets)
    try:
        with refusals_in_words():
            _read_to_the_end(history, settings)
    except KafkaError as error:
        raise BookUnreachable(type(error).__name__) from error
    return history


def publish(settings: Settings, wire: BookVersion, guard: AppendGuard) -> Published:
    """Publishes a version. Raises what `append` raises."""
    return append(settings, published(wire), guard).numbered(wire.version)


def withdraw(settings: Settings, number: int, guard: AppendGuard) -> None:
    """Withdraws an announced version. Raises what `append` raises."""
    append(settings, withdrawn(number), guard)


def append(settings: Settings, event: BookEvent, guard: AppendGuard) -> BookHistory:
    """Rehearses an event, appends it, and reads it back: the history with it.

    Raises what `rehearse` raises, SettingMissing, BookUnreachable, LogUnavailable or BookEventRejected.
    """
    signing_key = settings.signing_key()
    read_history(settings).rehearse(event, signing_key, ms_of(datetime.now(UTC)))
    with Publisher(settings, guard) as publisher:
        position = append_event(publisher, event, signing_key)
    history = read_history(settings)
    history.require_accepted(position)
    return history


def version_of(text: str) -> BookVersion:
    """The version that a JSON text states. Raises BookVersionInvalid, which names the field."""
    try:
        return BookVersion.model_validate_json(text)
    except ValidationError as error:
        raise BookVersionInvalid(str(faults_of(error))) from error


def _read_to_the_end(history: BookHistory, settings: Settings) -> None:
    consumer, partition = book_consumer(settings)
    try:
        consumer.seek(partition, 0)
        for record in records_to_the_end(consumer, partition):
            history.read(record)
    finally:
        consumer.close()
