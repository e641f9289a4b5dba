"""Reads the log from an offset on, one partition at a time and without a group, and the book that belongs to it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ledger.core.book_versions import Book
from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.book import BookFollower, RejectedRecord, StatedEvent
from ledger.log.connecting import COMMITTED, connection_options
from ledger.log.kafka_python_fixes import LogUnreadable
from ledger.records.skips import Skip
from ledger.settings import Settings
from projectors.fetching import FetchedRange, Fetcher, install
from projectors.skips import apply_skips
from projectors.transport import Fetch
from schemas.topics import EVENTS

_PATIENCE_SECONDS = 30
_RECORDS_AT_ONCE = 50_000


class KafkaUnreachable(LedgerError):
    message = "Kafka does not answer; run the same command again, and it continues where it stopped"


class LogIncomplete(LedgerError, exit_code=EXIT_CONFIG):
    message = "The log does not begin with its first record, so it can't be folded again from the start"


class Bounds(NamedTuple):
    """Where a partition begins and ends now."""

    begin: int
    end: int


class WholeBook(NamedTuple):
    """The book, and its events as they are on the topic, and the rejected records of its topic."""

    book: Book
    stated: list[StatedEvent]
    rejected: list[RejectedRecord]


def ends(settings: Settings, partitions: int) -> dict[int, int]:
    """Where each partition of ledger.events ends now. Raises LogIncomplete or KafkaUnreachable."""
    found = bounds(settings, partitions)
    for partition, (begin, _) in found.items():
        if begin > 0:
            raise LogIncomplete(f"{settings.topic(EVENTS)}/{partition} begins at {begin}")
    return {partition: end for partition, (_, end) in found.items()}


def bounds(settings: Settings, partitions: int) -> dict[int, Bounds]:
    """Where each partition of ledger.events begins and ends now. Raises KafkaUnreachable."""
    return asyncio.run(_bounds(settings, partitions))


async def _bounds(settings: Settings, partitions: int) -> dict[int, Bounds]:
    async with LogConsumer(settings) as consumer:
        places = [TopicPartition(settings.topic(EVENTS), number) for number in range(partitions)]
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        return {place.partition: Bounds(begins[place], ends[place]) for place in places}


async def fetches(
    settings: Settings, partition: int, start: int, end: int, skips: Sequence[Skip] = ()
) -> AsyncGenerator[Fetch, None]:
    """The records of a partition from `start` to before `end`, as the broker sends them, without skipped ones.

    Raises KafkaUnreachable or LogUnreadable. Close it (contextlib.aclosing); otherwise its connections stay open.
    """
    if start >= end:
        return  # aiokafka's consumer can't be stopped right after its start: that raises CancelledError
    place = TopicPartition(settings.topic(EVENTS), partition)
    async with LogConsumer(settings) as consumer:
        consumer.assign([place])
        consumer.seek(place, start)
        fetching, heard_at = Fetcher(consumer), time.monotonic()
        while start < end:
            range_ = (await fetching.fetch([place], 1, _RECORDS_AT_ONCE)).get(place)
            if range_:
                seen, range_ = range_, apply_skips(range_, skips)
                if range_.ends_at != seen.ends_at:
                    await fetching.seek_and_resume({place: range_.ends_at})
                yield _within(range_, end)
                start, heard_at = range_.ends_at, time.monotonic()
                if range_.unreadable and start < end:
                    raise LogUnreadable(f"{place.topic}/{partition}: {range_.unreadable}")
            if time.monotonic() > heard_at + _PATIENCE_SECONDS:
                raise KafkaUnreachable(f"{place.topic}/{partition} at {start}")


def _within(range_: FetchedRange, end: int) -> Fetch:
    records = [record for record in range_.records if record.offset < end]
    return Fetch(range_.starts_at, min(range_.ends_at, end), records, doubtful=False)


def whole_book(settings: Settings) -> WholeBook:
    """The book up to its present end. That is enough for all records before now: a version takes effect 60 s later.

    Raises BookEmpty, BookNotReadable, or KafkaUnreachable.
    """
    follower = BookFollower(settings)
    try:
        if not follower.wait(_PATIENCE_SECONDS):
            raise KafkaUnreachable()
        return WholeBook(follower.book(), follower.stated, follower.rejected)
    finally:
        follower.close()


class LogConsumer:
    """A consumer without a group, open while the block runs."""

    def __init__(self, settings: Settings) -> None:
        install()
        self._consumer = AIOKafkaConsumer(
            **connection_options(settings),
            client_id="ledger-replay",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 * 1024 * 1024,
            **COMMITTED,
        )

    async def __aenter__(self) -> AIOKafkaConsumer:
        try:
            await self._consumer.start()
        except KafkaError as error:
            await self._consumer.stop()
            raise KafkaUnreachable(type(error).__name__) from error
        return self._consumer

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._consumer.stop()
        if isinstance(error, KafkaError):
            raise KafkaUnreachable(type(error).__name__) from error
