"""Faust's aiokafka driver, changed: whole fetches of committed records, gathered for a moment, from Postgres's offsets.

Faust's own loop makes four tasks per record and does some 5,500 records/s here; one message per partition and fetch
does more than 250,000. Kafka's committed offsets can run past records that were never folded, so they are only a hint
for lag tools: where to read from is what Postgres says was folded. Written for faust-streaming 0.15.3, aiokafka 0.14.0.
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

from ledger.log.batches import Unreadable
from ledger.log.connecting import REQUEST_MS
from ledger.log.validation import Record
from ledger.records.skips import Skips
from projectors.fetching import Fetching, Stretch
from projectors.skips import skipping
from projectors.waiting import Ends

_GATHER_BYTES = 32 * 1024
_GATHER_MS = 20


class Fetch(NamedTuple):
    """All records of one partition from `starts_at` to before `ends_at`; offsets without one are Kafka's own.

    `doubtful`: the broker was reconnected or jumped, so the log may not be the one that was folded so far.
    """

    starts_at: int
    ends_at: int
    records: Sequence[Record]
    doubtful: bool


# Given the assigned partitions of ledger.events, answers where each is to be read from.
LoadOffsets = Callable[[set[int]], Awaitable[dict[int, int]]]


class _Thread(driver.AIOKafkaConsumerThread):
    """Reads what is committed, in stretches, and lets the broker gather them for a moment.

    A commit costs the same for three records as for ten. At 1,000 events/s this halves the worker's CPU, and because
    less queues for the processor, the slowest events are visible sooner (docs/decisions/0003). The driver asks for the
    first byte, and for what transactions may yet abort; it has no setting for either.
    """

    _fetching: Fetching

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_min_bytes = _GATHER_BYTES
        consumer._fetch_max_wait_ms = _GATHER_MS
        consumer._isolation_level = "read_committed"
        # Faust has one time for requests and for recoveries, which wait for Postgres. A broker that stands still is
        # asked no longer than this before another one is.
        consumer._request_timeout_ms = consumer._client._request_timeout_ms = REQUEST_MS
        return consumer

    async def on_thread_stop(self) -> None:
        # A static member that is told to stop leaves its group as any other: its partitions move at once.
        if self._consumer is not None and self._consumer._coordinator is not None:
            self._consumer._coordinator._group_instance_id = None
        await super().on_thread_stop()

    async def on_start(self) -> None:
        await super().on_start()
        self._fetching = Fetching(self._ensure_consumer())

    async def _fetch_records(
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        if not self.consumer.flow_active:
            return {}
        return await self._fetching.take(active_partitions, timeout or 0, max_records or sys.maxsize)

    async def read_on(self, offsets: Mapping[TP, int]) -> None:
        """Reads partitions from these offsets on, also those that rest."""
        await self.call_thread(self._fetching.read_on, offsets)

    async def retry(self) -> None:
        """Tries again to read what could not be read."""
        await self.call_thread(self._fetching.retry)

    async def ends(self, partitions: Sequence[TP]) -> dict[TP, Ends]:
        """Where the partitions end, asked of the brokers now, without those whose leader does not answer."""
        # Not through the thread's queue: one call there waits for another, and the fetches behind both.
        asking = asyncio.run_coroutine_threadsafe(self._fetching.ends(partitions), self.thread_loop)
        return cast("dict[TP, Ends]", await asyncio.wrap_future(asking))


class FetchConsumer(driver.Consumer):
    """Yields one message per partition and fetch, and starts from the offsets in Postgres."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._starts_at: dict[TP, int] = {}
        self._connections: tuple[object, ...] = ()
        self._doubtful: set[TP] = set()
        self.unreadable: dict[int, Unreadable] = {}

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
            self._doubtful |= self.assignment()  # also those of which this fetch brings nothing
        stretches = await self._passing_over(cast("Mapping[TP, Stretch]", fetched))
        # All of them before the first yield: while we are suspended in one, a worker that found a gap may seek back,
        # and what was fetched before that does not start there.
        messages = [
            (tp, self._message(tp, stretch, generation))
            for tp, stretch in stretches.items()
            if stretch.ends_at != stretch.starts_at
            and (active is None or tp in active or tp in self._buffered_partitions)
        ]
        for tp, message in messages:
            # A rebalance may begin in a yield too; what follows is then no longer ours.
            if not self.flow_active or generation != self.app.consumer_generation_id:
                break
            yield tp, message

    async def _passing_over(self, fetched: Mapping[TP, Stretch]) -> dict[TP, Stretch]:
        """The stretches without what can't be read and is decided about; what is not decided is noted."""
        skips = cast(FetchTransport, self.transport).skips
        stretches = {tp: skipping(stretch, skips.get(tp.partition, ())) for tp, stretch in fetched.items()}
        further = {tp: each.ends_at for tp, each in stretches.items() if each.ends_at != fetched[tp].ends_at}
        if further:
            await cast(_Thread, self._thread).read_on(further)
        for tp, stretch in stretches.items():
            if stretch.unreadable:
                self.unreadable[tp.partition] = stretch.unreadable
            elif stretch.ends_at > stretch.starts_at:
                self.unreadable.pop(tp.partition, None)
        return stretches

    def _message(self, tp: TP, stretch: Stretch, generation: int) -> ConsumerMessage:
        expected = self._starts_at.get(tp, stretch.starts_at)
        self._starts_at[tp] = stretch.ends_at
        first = stretch.records[0].offset if stretch.records else stretch.starts_at
        doubtful = tp in self._doubtful or stretch.starts_at != expected or first < expected
        self._doubtful.discard(tp)
        if doubtful:
            # Faust drops what ends below the offset that it has read, without a word, and the doubt with it.
            self._read_offset[tp] = None
        fetch = Fetch(stretch.starts_at, stretch.ends_at, stretch.records, doubtful)
        # Without the generation the stream would skip the message without a word, and acknowledge it.
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            stretch.ends_at - 1,
            time.time(),
            1,
            [],
            None,
            fetch,  # type: ignore[arg-type]  # the stream hands it on as it is
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
        """Tries again to read what could not be read: it may be sound by now, or decided about."""
        await cast(_Thread, self._thread).retry()

    async def ends(self) -> dict[int, Ends]:
        """The ends of the assigned partitions of ledger.events whose leader answers now."""
        ours = [tp for tp in self.assignment() if tp.topic == cast(FetchTransport, self.transport).topic]
        found = await cast(_Thread, self._thread).ends(ours) if ours else {}
        return {tp.partition: ends for tp, ends in found.items()}

    def _was_reconnected(self) -> bool:
        """Whether any connection to a broker is another than at the last fetch; aiokafka does not say so itself."""
        client = self._thread._ensure_consumer()._client
        connections = tuple(client._conns.values())
        before, self._connections = self._connections, connections
        return any(all(connection is not known for known in before) for connection in connections)


class FetchTransport(driver.Transport):
    """The driver with our consumer, for one topic."""

    Consumer = FetchConsumer

    def __init__(self, url: list[URL], app: faust.App, topic: str, load_offsets: LoadOffsets) -> None:
        super().__init__(url, app)
        self.topic = topic
        self.load_offsets = load_offsets
        self.skips: Skips = {}


class PassThrough(faust.Schema):  # type: ignore[type-arg]  # neither keys nor values are decoded
    """Hands a fetch to the stream as it is."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Any]:
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, {}, message)

        return decode
