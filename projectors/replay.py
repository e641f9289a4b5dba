"""Reading the log again, one partition at a time and without a group, and the book that belongs to it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ledger.core.book import Book
from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.book import Follower, Rejected, StatedVersion
from ledger.log.connecting import COMMITTED, connection_options
from ledger.log.kafka_python_fixes import LogUnreadable
from ledger.records.skips import Skip
from ledger.settings import Settings
from projectors.fetching import Fetching, Stretch, install
from projectors.skips import skipping
from projectors.transport import Fetch
from schemas.topics import EVENTS

_PATIENCE_SECONDS = 30
_RECORDS_AT_ONCE = 50_000


class LogAway(LedgerError):
    message = "Kafka does not answer; what is folded already stays, and the same command goes on from there"


class LogIncomplete(LedgerError, exit_code=EXIT_CONFIG):
    message = "The log does not begin with its first record, so it can't be folded again from the start"


class Bounds(NamedTuple):
    """Where a partition begins and ends now."""

    begin: int
    end: int


class WholeBook(NamedTuple):
    """Every version of the book, as it folds and as it is on the topic, and the records of its topic that are none."""

    book: Book
    stated: list[StatedVersion]
    rejected: list[Rejected]


def ends(settings: Settings, partitions: int) -> dict[int, int]:
    """Where each partition of ledger.events ends now. Raises LogIncomplete or LogAway."""
    found = bounds(settings, partitions)
    for partition, (begin, _) in found.items():
        if begin > 0:
            raise LogIncomplete(f"{settings.topic(EVENTS)}/{partition} begins at {begin}")
    return {partition: end for partition, (_, end) in found.items()}


def bounds(settings: Settings, partitions: int) -> dict[int, Bounds]:
    """Where each partition of ledger.events begins and ends now. Raises LogAway."""
    return asyncio.run(_bounds(settings, partitions))


async def _bounds(settings: Settings, partitions: int) -> dict[int, Bounds]:
    async with Reading(settings) as consumer:
        places = [TopicPartition(settings.topic(EVENTS), number) for number in range(partitions)]
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        return {place.partition: Bounds(begins[place], ends[place]) for place in places}


async def fetches(
    settings: Settings, partition: int, start: int, end: int, skips: Sequence[Skip] = ()
) -> AsyncGenerator[Fetch, None]:
    """The records of a partition from `start` to before `end`, as they come from the broker, without what is skipped.

    Raises LogAway or LogUnreadable.

    Close it (contextlib.aclosing): whoever leaves early would leave its connections behind.
    """
    if start >= end:
        return  # aiokafka's consumer can't be stopped right after its start: it ends in a CancelledError
    place = TopicPartition(settings.topic(EVENTS), partition)
    async with Reading(settings) as consumer:
        consumer.assign([place])
        consumer.seek(place, start)
        fetching, heard_at = Fetching(consumer), time.monotonic()
        while start < end:
            stretch = (await fetching.take([place], 1, _RECORDS_AT_ONCE)).get(place)
            if stretch:
                seen, stretch = stretch, skipping(stretch, skips)
                if stretch.ends_at != seen.ends_at:
                    await fetching.read_on({place: stretch.ends_at})
                yield _within(stretch, end)
                start, heard_at = stretch.ends_at, time.monotonic()
                if stretch.unreadable and start < end:
                    raise LogUnreadable(f"{place.topic}/{partition}: {stretch.unreadable}")
            if time.monotonic() > heard_at + _PATIENCE_SECONDS:
                raise LogAway(f"{place.topic}/{partition} at {start}")


def _within(stretch: Stretch, end: int) -> Fetch:
    records = [record for record in stretch.records if record.offset < end]
    return Fetch(stretch.starts_at, min(stretch.ends_at, end), records, doubtful=False)


def whole_book(settings: Settings) -> WholeBook:
    """The book to its present end: enough for all that was on the log before, as a version takes effect 60 s later.

    Raises BookEmpty, BookNotReadable, or LogAway.
    """
    follower = Follower(settings)
    try:
        if not follower.wait(_PATIENCE_SECONDS):
            raise LogAway()
        return WholeBook(follower.book(), follower.stated, follower.rejected)
    finally:
        follower.close()


class Reading:
    """A consumer of nobody's group, while the block runs."""

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
            raise LogAway(type(error).__name__) from error
        return self._consumer

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._consumer.stop()
        if isinstance(error, KafkaError):
            raise LogAway(type(error).__name__) from error
