"""What the worker's consumer makes of fetches, through Faust's own loop; the thread that reads Kafka is left out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import faust
import mode
import pytest
from faust.types import TP
from yarl import URL

from projectors.transport import Fetch, FetchConsumer, FetchTransport

BROKER = [URL("kafka://127.0.0.1:1")]
ONE, TWO = TP("events", 1), TP("events", 2)


class Fetched(NamedTuple):
    """What of a Kafka client's record the consumer reads."""

    offset: int
    timestamp: int = 0
    timestamp_type: int = 1


class Fed(FetchConsumer):
    """Is given its fetches, and ends after the last of them."""

    fetches: list[dict[TP, list[Fetched]]]

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


def records(first: int, last: int) -> list[Fetched]:
    return [Fetched(offset) for offset in range(first, last + 1)]


Handler = Callable[[Fed, TP, Fetch], Awaitable[None]]


def handled(handle: Handler, *fetches: dict[TP, list[Fetched]]) -> list[tuple[int, int, int, bool]]:
    """Partition, claimed start, first offset and doubt of each fetch that reached the handler."""
    seen = []

    async def run() -> None:
        async def load_offsets(partitions: set[int]) -> dict[int, int]:
            return dict.fromkeys(partitions, 0)

        async def assigned(partitions: set[TP]) -> None:
            pass

        async def callback(message: Any) -> None:
            fetch = message.value
            seen.append((message.tp.partition, fetch.starts_at, fetch.records[0].offset, fetch.doubtful))
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
    assert consumed == [(2, 10, 10, False), (1, 0, 0, False), (2, 20, 20, False)]


@pytest.mark.parametrize("last", [4, 9, 14])
def test_a_log_that_begins_anew_is_handed_on_as_doubtful_however_short_it_is(last: int) -> None:
    consumed = handled(nothing, {ONE: records(0, 9)}, {ONE: records(0, last)}, {ONE: records(last + 1, last + 1)})
    assert consumed == [(1, 0, 0, False), (1, 10, 0, True), (1, last + 1, last + 1, False)]
