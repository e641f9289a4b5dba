"""Reading the log again, one partition at a time and without a group, and the book that belongs to it."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ledger.core.book import Book
from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.book import Follower, Rejected
from ledger.log.connecting import connection_options
from ledger.settings import Settings
from projectors.transport import Fetch
from schemas.topics import EVENTS

_PATIENCE_SECONDS = 30


class LogAway(LedgerError):
    """Kafka does not answer; what is folded already stays, and the same command goes on from there."""


class LogIncomplete(LedgerError, exit_code=EXIT_CONFIG):
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


async def fetches(settings: Settings, partition: int, start: int, end: int) -> AsyncGenerator[Fetch, None]:
    """The records of a partition from `start` to before `end`, as they come from the broker. Raises LogAway.

    Close it (contextlib.aclosing): whoever leaves early would leave its connections behind.
    """
    if start >= end:
        return  # aiokafka's consumer can't be stopped right after its start: it ends in a CancelledError
    place = TopicPartition(settings.topic(EVENTS), partition)
    async with _Reading(settings) as consumer:
        consumer.assign([place])
        consumer.seek(place, start)
        heard_at = time.monotonic()
        while start < end:
            fetched = (await consumer.getmany(place, timeout_ms=1000)).get(place, [])
            records = [record for record in fetched if record.offset < end]
            if records:
                yield Fetch(start, records, doubtful=False)
            # Behind the last record, or behind markers of transactions, which are no records.
            position = await consumer.position(place)
            if position > start:
                start, heard_at = position, time.monotonic()
            if time.monotonic() > heard_at + _PATIENCE_SECONDS:
                raise LogAway(f"{place.topic}/{partition} at {start}")


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
        self._consumer = AIOKafkaConsumer(
            **connection_options(settings),
            client_id="ledger-replay",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 * 1024 * 1024,
            max_poll_records=50_000,
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
