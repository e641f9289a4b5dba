"""Reading the log again, one partition at a time and without a group, and the book that belongs to it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ledger.core.book import Book
from ledger.core.errors import LedgerError
from ledger.log.book import Follower, Rejected
from ledger.log.connecting import COMMITTED, connection_options
from ledger.log.foreign import LogUnreadable
from ledger.records.skips import Skip
from ledger.settings import Settings
from projectors.fetching import Fetching, Stretch, install
from projectors.skips import skipping
from projectors.transport import Fetch
from schemas.topics import EVENTS

_PATIENCE_SECONDS = 30
_RECORDS_AT_ONCE = 50_000


class LogAway(LedgerError):
    """Kafka does not answer; what is folded already stays, and the same command goes on from there."""


class LogIncomplete(LedgerError):
    """The log does not begin with its first record, so it can't be folded again from the start."""


class WholeBook(NamedTuple):
    """Every version of the book, and the records of its topic that are none."""

    book: Book
    rejected: list[Rejected]


def ends(settings: Settings, partitions: int) -> dict[int, int]:
    """Where each partition of ledger.events ends now. Raises LogIncomplete or LogAway."""
    return asyncio.run(_ends(settings, partitions))


async def _ends(settings: Settings, partitions: int) -> dict[int, int]:
    async with _Reading(settings) as consumer:
        places = [TopicPartition(settings.topic(EVENTS), number) for number in range(partitions)]
        for place, begin in (await consumer.beginning_offsets(places)).items():
            if begin > 0:
                raise LogIncomplete(f"{place.topic}/{place.partition} begins at {begin}")
        return {place.partition: end for place, end in (await consumer.end_offsets(places)).items()}


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
    async with _Reading(settings) as consumer:
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
        return WholeBook(follower.book(), follower.rejected)
    finally:
        follower.close()


class _Reading:
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
