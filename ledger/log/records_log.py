"""Reads `ledger.records` from its beginning, then what follows. It is short: each starting process reads all of it.

Only signed events count. The settings must have the secret of their key; where the book is given, it must have accepted
the key at that time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError
from pydantic import ValidationError

from ledger.core.admission import check_signed, check_signer
from ledger.core.book_versions import Book
from ledger.core.errors import Refused
from ledger.log.connecting import kafka_options, refusals_in_words
from ledger.log.dead_letters import Problem, invalid, problem_of
from ledger.log.record import Record
from ledger.log.validation import signer_of
from ledger.settings import Settings
from schemas.records import RECORDS_EVENT, RecordsEvent
from schemas.topics import RECORDS

_POLL_MS = 1_000
_PATIENCE_SECONDS = 10


class RejectedRecord(NamedTuple):
    """A record of the topic that does not count, and why."""

    record: Record
    problem: Problem


class RecordsLog:
    """The topic's one partition. Only inside `records_log`."""

    def __init__(self, consumer: KafkaConsumer, partition: TopicPartition, secrets: dict[str, bytes]) -> None:
        self._consumer, self._partition, self._secrets = consumer, partition, secrets
        self.rejected: list[RejectedRecord] = []

    def to_end(self, book: Callable[[], Book] | None = None) -> list[RecordsEvent]:
        """The events since the last call, up to the present end. `book`: called only if there are events to check.

        After an exception the next call begins at the same place. Raises KafkaError, and what `book` raises.
        """
        found: list[RecordsEvent] = []
        start, rejected = self._consumer.position(self._partition), len(self.rejected)
        end = self._consumer.end_offsets([self._partition])[self._partition]
        deadline = time.monotonic() + _PATIENCE_SECONDS
        try:
            while self._consumer.position(self._partition) < end:
                for record in self._consumer.poll(timeout_ms=_POLL_MS).get(self._partition, []):
                    self._accept(record, book, found)
                    deadline = time.monotonic() + _PATIENCE_SECONDS
                if time.monotonic() > deadline:
                    raise KafkaTimeoutError(f"{self._partition.topic} could not be read to {end}")
        except BaseException:
            self._consumer.seek(self._partition, start)
            del self.rejected[rejected:]
            raise
        return found

    def _accept(self, record: Record, book: Callable[[], Book] | None, found: list[RecordsEvent]) -> None:
        try:
            event = RECORDS_EVENT.validate_json(record.value or b"")
            self._check_signature(record, event, book)
            found.append(event)
        except ValidationError as error:
            self.rejected.append(RejectedRecord(record, invalid(error)))
        except Refused as error:
            self.rejected.append(RejectedRecord(record, problem_of(error)))

    def _check_signature(self, record: Record, event: RecordsEvent, book: Callable[[], Book] | None) -> None:
        key_id = signer_of(record, record.value or b"", self._secrets)
        signer = None if isinstance(key_id, Problem) else key_id
        check_signed(event.type, signer)
        if book is not None:
            check_signer(event.type, signer, book().at(record.timestamp), record.timestamp)


@contextmanager
def records_log(settings: Settings) -> Iterator[RecordsLog]:
    """The topic, from its beginning, without a group. Raises KafkaError, KafkaRefusesUser or KafkaForbids."""
    with refusals_in_words():
        consumer = KafkaConsumer(
            **kafka_options(settings),
            client_id="ledger-records",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=5_000,
            reconnect_backoff_max_ms=1_000,
        )
        try:
            partition = TopicPartition(settings.topic(RECORDS), 0)
            consumer.assign([partition])
            consumer.seek(partition, 0)
            yield RecordsLog(consumer, partition, settings.secrets)
        finally:
            consumer.close(timeout_ms=1_000)
