"""What the worker's consumer makes of fetches, through Faust's own loop; the thread that reads Kafka is left out."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import faust
import mode
import pytest
from faust.types import TP
from yarl import URL

from ledger.log.batches import UnreadableStretch
from ledger.log.record import PlainRecord
from ledger.records.skips import Skip
from projectors.fetching import FetchedRange
from projectors.skips import apply_skips
from projectors.transport import Fetch, FetchConsumer, FetchTransport

BROKER = [URL("kafka://127.0.0.1:1")]
ONE, TWO = TP("events", 1), TP("events", 2)


class Fed(FetchConsumer):
    """Is given its fetches, and ends after the last of them."""

    fetches: list[dict[TP, FetchedRange]]

    def _new_consumer_thread(self) -> Any:
        return mode.Service()

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:
        if self.fetches:
            return self.fetches.pop(0), None
        self._stopped.set()
        return None, None

    def _was_reconnected(self) -> bool:
        return False


class FedTransport(FetchTransport):
    Consumer = Fed


def records(first: int, last: int, starts_at: int | None = None) -> FetchedRange:
    """What a fetch brought that was to begin at `starts_at`."""
    found = [PlainRecord(None, b"", offset=offset) for offset in range(first, last + 1)]
    return FetchedRange(first if starts_at is None else starts_at, last + 1, found)


Handler = Callable[[Fed, TP, Fetch], Awaitable[None]]


def handled(handle: Handler, *fetches: dict[TP, FetchedRange]) -> list[tuple[int, int, int, bool]]:
    """Partition, start, end and doubt of each fetch that reached the handler."""
    seen = []

    async def run() -> None:
        async def load_offsets(partitions: set[int]) -> dict[int, int]:
            return dict.fromkeys(partitions, 0)

        async def assigned(partitions: set[TP]) -> None:
            pass

        async def callback(message: Any) -> None:
            fetch = message.value
            seen.append((message.tp.partition, fetch.starts_at, fetch.ends_at, fetch.doubtful))
            await handle(consumer, message.tp, fetch)

        app = faust.App("test", broker=BROKER, store="memory://")
        consumer = FedTransport(BROKER, app, "events", load_offsets).create_consumer(
            callback, on_partitions_revoked=assigned, on_partitions_assigned=assigned
        )
        consumer.fetches = list(fetches)
        await consumer._drain_messages(consumer)

    asyncio.run(run())
    return seen


async def nothing(consumer: Fed, tp: TP, fetch: Fetch) -> None:
    pass


def test_what_was_fetched_before_the_worker_sought_back_does_not_claim_to_start_there() -> None:
    async def seek_back(consumer: Fed, tp: TP, fetch: Fetch) -> None:
        if tp == ONE:
            consumer._starts_at[TWO] = 10  # as perform_seek does: 10 to 19 are not folded

    consumed = handled(seek_back, {TWO: records(10, 19)}, {ONE: records(0, 9), TWO: records(20, 29)})
    assert consumed == [(2, 10, 20, False), (1, 0, 10, False), (2, 20, 30, False)]


@pytest.mark.parametrize("last", [4, 9, 14])
def test_a_log_that_begins_anew_is_handed_on_as_doubtful_however_short_it_is(last: int) -> None:
    consumed = handled(nothing, {ONE: records(0, 9)}, {ONE: records(0, last)}, {ONE: records(last + 1, last + 1)})
    assert consumed == [(1, 0, 10, False), (1, 0, last + 1, True), (1, last + 1, last + 2, False)]


def test_offsets_without_records_are_handed_on_with_their_bounds_and_a_jump_is_doubtful() -> None:
    markers, jump = FetchedRange(10, 12, ()), records(20, 29)
    consumed = handled(nothing, {ONE: records(0, 9)}, {ONE: markers, TWO: FetchedRange(5, 5, ())}, {ONE: jump})
    assert consumed == [(1, 0, 10, False), (1, 10, 12, False), (1, 20, 30, True)]


def test_a_skip_takes_the_place_of_its_offsets_whether_they_can_be_read_or_not() -> None:
    skip = Skip(12, 14, "the checksum is wrong", "no copy", datetime(2026, 1, 1, tzinfo=UTC))

    def offsets(stretch: FetchedRange) -> tuple[int, list[int], bool]:
        found = apply_skips(stretch, [skip])
        return found.ends_at, [record.offset for record in found.records], found.unreadable is not None

    broken = UnreadableStretch(12, 14, "")
    assert offsets(records(10, 11)) == (15, [10, 11, 12], False)
    assert offsets(FetchedRange(12, 12, (), broken)) == (15, [12], False)
    assert offsets(records(10, 19)) == (20, [10, 11, 12, 15, 16, 17, 18, 19], False)
    assert offsets(records(15, 19)) == (20, [15, 16, 17, 18, 19], False)
    assert offsets(FetchedRange(5, 8, (), UnreadableStretch(8, 9, ""))) == (8, [], True)
