"""Reading a topic without a consumer group: from any position, of all accounts or one, to its end or beyond."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError
from ledger.log.connecting import ANSWER_MS, COMMITTED, kafka_options, refusals_in_words
from ledger.log.kafka_python_fixes import naming_the_batch
from ledger.log.partitioning import partition_of
from ledger.log.topics import TopicChanged, TopicMissing, partitions_built_on
from ledger.settings import Settings
from schemas.topics import EVENTS

Start = Literal["beginning", "end"] | int | datetime
_POLL_MS = 500
_BACK = 2_000


class LogNotReadable(LedgerError):
    message = "Kafka can't be read; does it run, and does LEDGER_KAFKA name it?"


class RecordGone(LedgerError):
    message = "Kafka has no such record"


class TopicReader:
    """Some partitions of a topic, `topic` with the deployment's prefix. Only inside `topic_reader`."""

    def __init__(self, consumer: KafkaConsumer, topic: str, key: str | None, built_on: int | None) -> None:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise TopicMissing(topic)
        if built_on not in (None, len(numbers)):
            raise TopicChanged(f"{topic} has {len(numbers)} partitions, was built with {built_on}")
        wanted = sorted(numbers) if key is None else [partition_of(key.encode(), len(numbers))]
        self._consumer = consumer
        self._topic = topic
        self._partitions = [TopicPartition(topic, number) for number in wanted]
        consumer.assign(self._partitions)
        self._begins: dict[TopicPartition, int] = consumer.beginning_offsets(self._partitions, timeout_ms=ANSWER_MS)
        self._ends: dict[TopicPartition, int] = consumer.end_offsets(self._partitions, timeout_ms=ANSWER_MS)

    def seek(self, start: Start) -> None:
        """Goes to the beginning, the end, an offset of every partition, or the first record at or after a moment."""
        for partition, offset in self._offsets(start).items():
            self._consumer.seek(partition, min(max(offset, self._begins[partition]), self._ends[partition]))

    def _offsets(self, start: Start) -> dict[TopicPartition, int]:
        if isinstance(start, datetime):
            found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, ms_of(start)))
            return {each: found[each].offset if found[each] else self._ends[each] for each in self._partitions}
        if isinstance(start, int):
            return dict.fromkeys(self._partitions, start)
        return self._begins if start == "beginning" else self._ends

    def records(self, *, follow: bool) -> Iterator[list[ConsumerRecord]]:
        """The records from here on, fetch by fetch. Without `follow` they end where the log ended at the start.

        Records of one partition are in order. Records of one fetch are sorted by time across its partitions.
        """
        while follow or self._left():
            fetched = self._poll()
            yield fetched if follow else [each for each in fetched if each.offset < self._ends[_place_of(each)]]

    def last(self, count: int, wanted: Callable[[ConsumerRecord], bool]) -> list[ConsumerRecord]:
        """The last wanted records before the end, oldest first; afterwards the reader is at the end."""
        found = [record for each in self._partitions for record in self._last_of(each, count, wanted)]
        self._consumer.resume(*self._partitions)
        self.seek("end")
        return sorted(found, key=_by_time)[-count:]

    def at(self, partition: int, offset: int) -> ConsumerRecord:
        """The record at this place. Raises RecordGone."""
        place = TopicPartition(self._topic, partition)
        if self._begins.get(place, 0) <= offset < self._ends.get(place, 0):
            self._only(place)
            for record in self._stretch(place, offset, offset + 1):
                return record
        raise RecordGone(f"{self._topic}/{partition}/{offset}")

    def _last_of(
        self, partition: TopicPartition, count: int, wanted: Callable[[ConsumerRecord], bool]
    ) -> list[ConsumerRecord]:
        """Reads stretch by stretch from the end backwards, until there are enough."""
        self._only(partition)
        found: list[ConsumerRecord] = []
        top, back = self._ends[partition], max(count, _BACK)
        while top > self._begins[partition] and len(found) < count:
            floor = max(top - back, self._begins[partition])
            found = [record for record in self._stretch(partition, floor, top) if wanted(record)] + found
            top, back = floor, back * 2
        return found[-count:]

    def _stretch(self, partition: TopicPartition, floor: int, top: int) -> Iterator[ConsumerRecord]:
        self._consumer.seek(partition, floor)
        while self._consumer.position(partition) < top:
            yield from (record for record in self._poll() if record.offset < top)

    def _only(self, partition: TopicPartition) -> None:
        self._consumer.pause(*self._partitions)
        self._consumer.resume(partition)

    def _left(self) -> bool:
        return any(self._consumer.position(each) < end for each, end in self._ends.items())

    def _poll(self) -> list[ConsumerRecord]:
        with naming_the_batch(self._consumer):
            polled: dict[TopicPartition, list[ConsumerRecord]] = self._consumer.poll(timeout_ms=_POLL_MS)
        return sorted((record for records in polled.values() for record in records), key=_by_time)


@contextmanager
def topic_reader(settings: Settings, topic: str, key: str | None = None) -> Iterator[TopicReader]:
    """A reader of a topic (with its prefix), or of the one partition that a key belongs to.

    Raises LogNotReadable when Kafka is away or refuses, TopicMissing, and LogUnreadable at a batch that is broken; for
    a key TopicChanged when there are other partitions than the ledger was built on, and psycopg's OperationalError.
    """
    built_on = None if key is None else partitions_built_on(settings, topic)
    try:
        with _consumer(settings, **(COMMITTED if topic == settings.topic(EVENTS) else {})) as consumer:
            yield TopicReader(consumer, topic, key, built_on)
    except KafkaError as error:
        raise LogNotReadable(type(error).__name__) from error


@contextmanager
def _consumer(settings: Settings, **isolation: str) -> Iterator[KafkaConsumer]:
    with refusals_in_words():
        consumer: Any = KafkaConsumer(
            **kafka_options(settings),
            **isolation,
            bootstrap_timeout_ms=10_000,
            reconnect_backoff_max_ms=1000,
            client_id="ledger-reader",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="earliest",
            max_poll_records=5_000,
        )
        try:
            yield consumer
        finally:
            consumer.close(timeout_ms=1_000)


def _place_of(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def _by_time(record: ConsumerRecord) -> tuple[int, int, int]:
    return record.timestamp, record.partition, record.offset
