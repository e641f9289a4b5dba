"""Every version of the book that was ever published, for the commands that show it and add to it.

A new version is rehearsed first, by the code that every reader of the topic runs. So a version that the readers would
reject is not appended.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from kafka.errors import KafkaError
from pydantic import ValidationError

from ledger.core.book import Version
from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError
from ledger.log.book import (
    BookEmpty,
    BookReader,
    RejectedRecord,
    StatedVersion,
    book_consumer,
    publish_version,
    record_of,
    records_to_the_end,
)
from ledger.log.connecting import refusals_in_words
from ledger.log.publisher import AppendGuard, Position, Publisher
from ledger.log.record import PlainRecord, Record
from ledger.settings import Settings
from schemas.book import BOOK_SUBJECT, BookVersion
from schemas.fields import faults_of
from schemas.signatures import SigningKey


class BookUnreachable(LedgerError):
    message = "The book's topic can't be read; is Kafka there, and did `ledger topics --create` make the topic?"


class UnknownBookVersion(LedgerError):
    message = "The book has no version of that number"


class BookVersionInvalid(LedgerError):
    message = "This is not a version of the book"


class BookVersionRejected(LedgerError):
    message = "The version was appended, but the readers of the book reject it; it is a dead letter and changes nothing"


class Published(NamedTuple):
    """A version as it was published, and compiled, with the moment of its effect."""

    wire: BookVersion
    version: Version


class BookHistory:
    """The versions so far, oldest first."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self.published: list[Published] = []
        self._reader = BookReader(secrets)
        self._by_offset: dict[int, Published] = {}

    def read(self, record: Record) -> None:
        """Takes one more record of the topic. Raises BookNotReadable."""
        self._reader.read(record)
        versions, latest = self._reader.book.versions, self._reader.latest
        if latest is not None and len(versions) > len(self.published):
            self.published.append(Published(latest, versions[-1]))
            self._by_offset[record.offset] = self.published[-1]

    @property
    def stated(self) -> list[StatedVersion]:
        """The versions as they are on the topic."""
        return self._reader.stated

    @property
    def rejected(self) -> list[RejectedRecord]:
        """The records of the topic that are no version."""
        return self._reader.rejected

    def may_sign(self, key_id: str, wire: BookVersion, at_ms: int) -> bool:
        """Whether a key may sign the next version when it is appended at that time."""
        return self._reader.may_sign(key_id, wire, at_ms)

    @property
    def latest(self) -> Published | None:
        """The version that was published last; its effect may lie ahead."""
        return self.published[-1] if self.published else None

    @property
    def next_number(self) -> int:
        """The number that the next version has."""
        return len(self.published) + 1

    def in_force(self, at_ms: int) -> Published:
        """The version in force at a log time. Raises BookEmpty."""
        if not self.published:
            raise BookEmpty()
        return self.published[self._reader.book.at(at_ms).number - 1]

    def numbered(self, number: int) -> Published:
        """The version of this number. Raises UnknownBookVersion."""
        if not 0 < number <= len(self.published):
            raise UnknownBookVersion(f"{number}; there are {len(self.published)}", field="version")
        return self.published[number - 1]

    def announced(self, at_ms: int) -> list[Published]:
        """The versions whose effect lies after a log time."""
        return [published for published in self.published if published.version.effective_from_ms > at_ms]

    def rehearse(self, wire: BookVersion, signing_key: SigningKey, at_ms: int) -> Version:
        """The version as it would be if it were appended at that time.

        Raises Refused, BookNotReadable or BookTooLarge, as its readers would.
        """
        value, header = record_of(wire, signing_key)
        record = PlainRecord(BOOK_SUBJECT.encode(), value, [header], timestamp=at_ms)
        return self._reader.with_record(record)[1].versions[-1]

    def verdict(self, position: Position) -> Published:
        """The version that the record at this place became. Raises BookVersionRejected."""
        for rejected in self._reader.rejected:
            if rejected.record.offset == position.offset:
                raise BookVersionRejected(f"offset {position.offset}: {rejected.problem}")
        return self._by_offset[position.offset]


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
    """Rehearses a version, appends it, and reads it back.

    Raises what `rehearse` raises, SettingMissing, BookUnreachable, LogUnavailable or BookVersionRejected.
    """
    signing_key = settings.signing_key()
    read_history(settings).rehearse(wire, signing_key, ms_of(datetime.now(UTC)))
    with Publisher(settings, guard) as publisher:
        position = publish_version(publisher, wire, signing_key)
    return read_history(settings).verdict(position)


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
