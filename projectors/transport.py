"""Faust's aiokafka driver, changed: it delivers whole fetches of committed records, and starts from Postgres's offsets.

Faust's own loop makes four tasks per record and reaches some 5,500 records/s here; one message per partition and fetch
reaches more than 250,000. Kafka's committed offsets can be ahead of what was folded, so they are only a hint for tools
that show lag; Postgres says where to read from. Written for faust-streaming 0.15.3 and aiokafka 0.14.0.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from yarl import URL

from ledger.log.batches import UnreadableStretch
from ledger.log.connecting import REQUEST_MS
from ledger.log.record import Record
from ledger.records.skips import Skips
from projectors.fetching import FetchedRange, Fetcher
from projectors.partition_waits import Ends
from projectors.skips import apply_skips

_GATHER_BYTES = 32 * 1024
_GATHER_MS = 20


class Fetch(NamedTuple):
    """All records of one partition from `starts_at` to before `ends_at`. Offsets without a record are Kafka's own.

    `doubtful`: the consumer was reconnected or the offsets jumped, so this may not be the log that was folded so far.
    """

    starts_at: int
    ends_at: int
    records: Sequence[Record]
    doubtful: bool


# Takes the assigned partitions of ledger.events and returns the offset to read each from.
LoadOffsets = Callable[[set[int]], Awaitable[dict[int, int]]]


class _Thread(driver.AIOKafkaConsumerThread):
    """Reads committed records, and lets the broker gather them for a moment.

    A commit costs the same for three records as for ten. At 1,000 events/s this halves the worker's CPU time, and
    because fewer tasks wait for the CPU, the slowest events are visible sooner (docs/decisions/0003). The driver has no
    settings for this; it asks for one byte at least, and for uncommitted records too.
    """

    _fetching: Fetcher

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_min_bytes = _GATHER_BYTES
        consumer._fetch_max_wait_ms = _GATHER_MS
        consumer._isolation_level = "read_committed"
        # Faust has one timeout for requests and for recoveries, which wait for Postgres. If a broker does not answer
        # for this time, the client asks another one.
        consumer._request_timeout_ms = consumer._client._request_timeout_ms = REQUEST_MS
        return consumer

    async def on_thread_stop(self) -> None:
        # When a worker is stopped, it leaves its group as a dynamic member does: its partitions move at once.
        if self._consumer is not None and self._consumer._coordinator is not None:
            self._consumer._coordinator._group_instance_id = None
        await super().on_thread_stop()

    async def on_start(self) -> None:
        await super().on_start()
        self._fetching = Fetcher(self._ensure_consumer())

    async def _fetch_records(
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        if not self.consumer.flow_active:
            return {}
        return await self._fetching.fetch(active_partitions, timeout or 0, max_records or sys.maxsize)

    async def seek_and_resume(self, offsets: Mapping[TP, int]) -> None:
        """Continues from these offsets, also in paused partitions."""
        await self.call_thread(self._fetching.seek_and_resume, offsets)

    async def retry(self) -> None:
        """Tries again to read the unreadable partitions."""
        await self.call_thread(self._fetching.retry)

    async def ends(self, partitions: Sequence[TP]) -> dict[TP, Ends]:
        """The current ends of the partitions, from the brokers. Leaves out partitions whose leader does not answer."""
        # Not through the thread's queue, where calls and fetches wait for one another.
        asking = asyncio.run_coroutine_threadsafe(self._fetching.ends(partitions), self.thread_loop)
        return cast("dict[TP, Ends]", await asyncio.wrap_future(asking))


class FetchConsumer(driver.Consumer):
    """Yields one message per partition and fetch, and starts from the offsets in Postgres."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._starts_at: dict[TP, int] = {}
        self._connections: tuple[object, ...] = ()
        self._doubtful: set[TP] = set()
        self.unreadable: dict[int, UnreadableStretch] = {}

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        if self._was_reconnected():
            self._doubtful |= self.assignment()  # also partitions without records in this fetch
        ranges = await self._without_skips(cast("Mapping[TP, FetchedRange]", fetched))
        # All messages are made before the first yield: during a yield a worker that found a gap may seek back, and what
        # was fetched before does not start there.
        messages = [
            (tp, self._message(tp, range_, generation))
            for tp, range_ in ranges.items()
            if range_.ends_at != range_.starts_at
            and (active is None or tp in active or tp in self._buffered_partitions)
        ]
        for tp, message in messages:
            # A rebalance may begin during a yield too; then the remaining messages are not this worker's any more.
            if not self.flow_active or generation != self.app.consumer_generation_id:
                break
            yield tp, message

    async def _without_skips(self, fetched: Mapping[TP, FetchedRange]) -> dict[TP, FetchedRange]:
        """The fetched ranges without skipped parts. Notes unreadable parts that are not skipped."""
        skips = cast(FetchTransport, self.transport).skips
        ranges = {tp: apply_skips(range_, skips.get(tp.partition, ())) for tp, range_ in fetched.items()}
        further = {tp: each.ends_at for tp, each in ranges.items() if each.ends_at != fetched[tp].ends_at}
        if further:
            await cast(_Thread, self._thread).seek_and_resume(further)
        for tp, range_ in ranges.items():
            if range_.unreadable:
                self.unreadable[tp.partition] = range_.unreadable
            elif range_.ends_at > range_.starts_at:
                self.unreadable.pop(tp.partition, None)
        return ranges

    def _message(self, tp: TP, range_: FetchedRange, generation: int) -> ConsumerMessage:
        expected = self._starts_at.get(tp, range_.starts_at)
        self._starts_at[tp] = range_.ends_at
        first = range_.records[0].offset if range_.records else range_.starts_at
        doubtful = tp in self._doubtful or range_.starts_at != expected or first < expected
        self._doubtful.discard(tp)
        if doubtful:
            # Otherwise Faust would silently drop a fetch that ends before the offset it has read, and the doubt with
            # it.
            self._read_offset[tp] = None
        fetch = Fetch(range_.starts_at, range_.ends_at, range_.records, doubtful)
        # Without the generation the stream would silently skip the message and acknowledge it.
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            range_.ends_at - 1,
            time.time(),
            1,
            [],
            None,
            fetch,  # type: ignore[arg-type]  # the stream passes it on unchanged
            None,
            0,
            0,
            tp,
            generation_id=generation,
        )

    async def perform_seek(self) -> None:
        await super().perform_seek()
        transport = cast(FetchTransport, self.transport)
        ours = {tp for tp in self.assignment() if tp.topic == transport.topic}
        stored = await transport.load_offsets({tp.partition for tp in ours})
        offsets = {tp: stored[tp.partition] for tp in ours}
        self.unreadable.clear()
        if offsets:
            await self.seek_wait(offsets)
            await self.retry()
        for tp, offset in offsets.items():
            self._starts_at[tp] = offset
            self._read_offset[tp] = offset or None
            self._committed_offset[tp] = offset or None

    async def retry(self) -> None:
        """Tries again to read the unreadable partitions: they may be readable now, or a person decided to skip."""
        await cast(_Thread, self._thread).retry()

    async def ends(self) -> dict[int, Ends]:
        """The ends of the assigned partitions of ledger.events whose leader answers."""
        ours = [tp for tp in self.assignment() if tp.topic == cast(FetchTransport, self.transport).topic]
        found = await cast(_Thread, self._thread).ends(ours) if ours else {}
        return {tp.partition: ends for tp, ends in found.items()}

    def _was_reconnected(self) -> bool:
        """Whether a connection to a broker is new since the last fetch; aiokafka does not report this."""
        client = self._thread._ensure_consumer()._client
        connections = tuple(client._conns.values())
        before, self._connections = self._connections, connections
        return any(all(connection is not earlier for earlier in before) for connection in connections)


class FetchTransport(driver.Transport):
    """The driver with this module's consumer, for one topic."""

    Consumer = FetchConsumer

    def __init__(self, url: list[URL], app: faust.App, topic: str, load_offsets: LoadOffsets) -> None:
        super().__init__(url, app)
        self.topic = topic
        self.load_offsets = load_offsets
        self.skips: Skips = {}


class PassThrough(faust.Schema):  # type: ignore[type-arg]  # neither keys nor values are decoded
    """Passes a fetch to the stream unchanged."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Any]:
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, {}, message)

        return decode
