"""Faust's aiokafka driver, changed in three places: whole fetches, gathered for a moment, from Postgres's offsets.

Faust's own loop makes four tasks per record and does some 5,500 records/s here; one message per partition and fetch
does more than 250,000. Kafka's committed offsets can run past records that were never folded, so they are only a hint
for lag tools: where to read from is what Postgres says was folded. Written for faust-streaming 0.15.3, aiokafka 0.14.0.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, cast

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from yarl import URL

from ledger.log.reading import Record

_GATHER_BYTES = 32 * 1024
_GATHER_MS = 20


class Fetch(NamedTuple):
    """One partition's records of one fetch, which was to start at `starts_at`; a gap after that is Kafka's.

    `doubtful`: the broker was reconnected or jumped back, so the log may not be the one that was folded so far.
    """

    starts_at: int
    records: list[Record]
    doubtful: bool


# Given the assigned partitions of ledger.events, answers where each is to be read from.
LoadOffsets = Callable[[set[int]], Awaitable[dict[int, int]]]


class _Thread(driver.AIOKafkaConsumerThread):
    """Lets the broker gather a fetch for a moment: the driver asks for the first byte, and has no setting for it.

    A commit costs the same for three records as for ten. At 1,000 events/s this halves the worker's CPU, and because
    less queues for the processor, the slowest events are visible sooner (docs/decisions/0003).
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_min_bytes = _GATHER_BYTES
        consumer._fetch_max_wait_ms = _GATHER_MS
        return consumer


class FetchConsumer(driver.Consumer):
    """Yields one message per partition and fetch, and starts from the offsets in Postgres."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._starts_at: dict[TP, int] = {}
        self._connections: tuple[object, ...] = ()
        self._doubtful: set[TP] = set()

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        if self._was_reconnected():
            self._doubtful |= self.assignment()  # also those of which this fetch brings nothing
        # All of them before the first yield: while we are suspended in one, a worker that found a gap may seek back,
        # and what was fetched before that does not start there.
        messages = [
            (tp, self._message(tp, fetched, generation))
            for tp, fetched in records.items()
            if fetched and (active is None or tp in active or tp in self._buffered_partitions)
        ]
        for tp, message in messages:
            # A rebalance may begin in a yield too; what follows is then no longer ours.
            if not self.flow_active or generation != self.app.consumer_generation_id:
                break
            yield tp, message

    def _message(self, tp: TP, fetched: list[Any], generation: int) -> ConsumerMessage:
        last = fetched[-1]
        starts_at = self._starts_at.get(tp, fetched[0].offset)
        self._starts_at[tp] = last.offset + 1
        fetch = Fetch(starts_at, fetched, tp in self._doubtful or fetched[0].offset < starts_at)
        self._doubtful.discard(tp)
        if fetch.doubtful:
            # Faust drops what ends below the offset that it has read, without a word, and the doubt with it.
            self._read_offset[tp] = None
        # Without the generation the stream would skip the message without a word, and acknowledge it.
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
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
        if offsets:
            await self.seek_wait(offsets)
        for tp, offset in offsets.items():
            self._starts_at[tp] = offset
            self._read_offset[tp] = offset or None
            self._committed_offset[tp] = offset or None

    async def ends(self) -> dict[int, int]:
        """The end of each assigned partition of ledger.events, asked of the broker now."""
        ours = [tp for tp in self.assignment() if tp.topic == cast(FetchTransport, self.transport).topic]
        return {tp.partition: end for tp, end in (await self.highwaters(*ours)).items()} if ours else {}

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


class PassThrough(faust.Schema):  # type: ignore[type-arg]  # neither keys nor values are decoded
    """Hands a fetch to the stream as it is."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Any]:
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, {}, message)

        return decode
