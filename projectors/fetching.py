"""Reading ledger.events with aiokafka 0.14.0, whatever other clients have put there: for workers and for replays.

aiokafka's own call gives the records and not how far they reach: behind markers of transactions, aborted records and
empty batches, which have offsets, it has read on without a word. When it can't read one partition it drops what it has
read of the others; what it read of a batch that is cut short it passes over by one offset. So what it has fetched is
taken here, each partition for itself, with its bounds; what it can't read is looked at again, and named.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from itertools import islice
from typing import Any, NamedTuple

import aiokafka.codec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchResult
from aiokafka.errors import KafkaError, RecordTooLargeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record._crecords import default_records

from ledger.log import batches
from ledger.log.batches import Readable, Unreadable
from ledger.log.kafka_python_fixes import refuse_missing_codecs
from ledger.log.validation import Record
from projectors.waiting import Ends

_FETCH_BYTES = 4 * 1024 * 1024
_STILL_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_END_SECONDS = 2.0
_AWAY = (KafkaError, TimeoutError)
# The broker's own word for a batch that it can't read, and for anything that it did not expect.
_BROKEN_THERE = (2, -1)


class Stretch(NamedTuple):
    """All that the log has from `starts_at` to before `ends_at`; `unreadable`: what lies behind that."""

    starts_at: int
    ends_at: int
    records: Sequence[Record]
    unreadable: Unreadable | None = None


def install() -> None:
    """Bounds what aiokafka decompresses in this process. Raises CodecMissing."""
    refuse_missing_codecs(aiokafka.codec, "aiokafka")
    default_records.gzip_decode = batches.gunzipped
    default_records.lz4_decode = batches.unlz4ed
    default_records.zstd_decode = batches.unzstded


class Fetching:
    """Takes what a started consumer, which reads committed records, has fetched. A partition that can't be read rests.

    `retry` lets it be fetched again: the broker may have a sound copy by then, or a person has decided.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._still: dict[TopicPartition, tuple[int, float]] = {}
        self._resting: set[TopicPartition] = set()

    async def take(
        self, partitions: Collection[TopicPartition], seconds: float, max_records: int
    ) -> dict[TopicPartition, Stretch]:
        """What there is of these partitions, waiting so long for the first of it."""
        fetcher, deadline = self._consumer._fetcher, time.monotonic() + seconds
        partitions = {TopicPartition(*place) for place in partitions}  # Faust has a type of its own for them
        while True:
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
            found = await self._drain(partitions, max_records) or await self._standing_still(partitions)
            left = deadline - time.monotonic()
            if found or left <= 0 or fetcher._closed:
                return found
            waiter = fetcher._create_fetch_waiter()
            await asyncio.wait([waiter], timeout=left)
            if waiter.done():
                waiter.result()  # an error of the group's coordinator

    async def retry(self) -> None:
        """Fetches again what could not be read."""
        for place in self._resting & self._consumer.assignment():
            self._consumer.resume(place)
        self._resting.clear()

    async def read_on(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Goes on from these offsets, also where something rests."""
        for place, offset in offsets.items():
            place = TopicPartition(*place)
            self._consumer.seek(place, offset)
            self._consumer.resume(place)
            self._resting.discard(place)

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Ends]:
        """Where they end, asked of their leaders now, without those whose leader does not answer.

        Raises KafkaError or TimeoutError when none does.
        """
        leaders = defaultdict[int | None, list[TopicPartition]](list)
        for place in partitions:
            leaders[self._consumer._client.cluster.leader_for_partition(place)].append(place)
        answers = await asyncio.gather(*map(self._ends_of, leaders.values()), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures and (len(failures) == len(answers) or not all(isinstance(each, _AWAY) for each in failures)):
            raise failures[0]
        return {place: end for answer in answers if isinstance(answer, dict) for place, end in answer.items()}

    async def _ends_of(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Ends]:
        """Of one leader. What is open between its two answers is no open transaction."""
        everything = copy(self._consumer._fetcher)
        everything._isolation_level = READ_UNCOMMITTED
        timeout_ms = self._consumer._request_timeout_ms
        async with asyncio.timeout(_END_SECONDS):
            high = await everything.end_offsets(partitions, timeout_ms)
            stable = await self._consumer._fetcher.end_offsets(partitions, timeout_ms)
        return {place: Ends(stable[place], high[place]) for place in partitions}

    async def _drain(self, partitions: Collection[TopicPartition], room: int) -> dict[TopicPartition, Stretch]:
        fetcher, found = self._consumer._fetcher, dict[TopicPartition, Stretch]()
        for place in list(fetcher._records):
            if place not in partitions:
                if not fetcher._subscriptions.is_assigned(place):
                    del fetcher._records[place]
                continue
            fetched = fetcher._records[place]
            if room <= 0 or (found and _is_error_to_raise(fetched)):
                break
            stretch = await self._drain_one(place, fetched, room)
            if stretch and (stretch.ends_at > stretch.starts_at or stretch.unreadable):
                found[place] = stretch
                room -= len(stretch.records)
        return found

    async def _drain_one(self, place: TopicPartition, fetched: Any, room: int) -> Stretch | None:
        fetcher, state = self._consumer._fetcher, self._state(place)
        stretch, broken = None, False
        if isinstance(fetched, FetchResult):
            if fetched.check_assignment(place) and fetched.has_more():
                stretch, broken = _records_of(fetched, room)
            if fetched.has_more():
                return stretch
        elif not _is_error_to_raise(fetched) and state is not None:
            state.seek(state.position - 1)  # aiokafka has passed over what was cut short
            stretch, broken = Stretch(state.position, state.position, ()), True
        del fetcher._records[place]
        if broken:
            self._consumer.pause(place)
        fetcher._notify(fetcher._wait_consume_future)
        if _is_error_to_raise(fetched):
            fetched.check_raise()
        return await self._look_again(place, stretch) if broken and stretch else stretch

    async def _look_again(self, place: TopicPartition, stretch: Stretch) -> Stretch:
        """What aiokafka could not read, read by ourselves; the partition rests when that can't be done either."""
        state = self._state(place)
        seen = await self._examine(place, stretch.ends_at)
        if isinstance(seen, Readable) and self._state(place) is state and state.position == stretch.ends_at:
            state.consumed_to(seen.next_offset)
            self._consumer.resume(place)
            return Stretch(stretch.starts_at, seen.next_offset, [*stretch.records, *seen.records])
        self._resting.add(place)
        return stretch._replace(unreadable=seen if isinstance(seen, Unreadable) else None)

    async def _standing_still(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Stretch]:
        """Partitions that are handed out no further although they go on: a broker does not say what it can't find."""
        found = {}
        for place in partitions:
            state = self._state(place)
            if state is None or not state.has_valid_position or state.paused:
                continue
            position = state.position
            if state.lso is not None and state.lso <= position:
                self._still.pop(place, None)
                continue
            since = self._still.get(place)
            if since is None or since[0] != position:
                self._still[place] = position, time.monotonic()
            elif time.monotonic() > since[1] + _STILL_SECONDS:
                del self._still[place]
                seen = await self._examine(place, position)
                if isinstance(seen, Unreadable) and self._state(place) is state and state.position == position:
                    self._consumer.pause(place)
                    self._resting.add(place)
                    found[place] = Stretch(position, position, (), seen)
        return found

    async def _examine(self, place: TopicPartition, offset: int) -> Readable | Unreadable | None:
        """The first batch from an offset on; None: there is none yet, or the broker does not answer."""
        try:
            return await asyncio.wait_for(examine(self._consumer, place, offset), _ANSWER_SECONDS)
        except Exception:  # what is away is noticed by those who wait for it; here nothing was found out
            return None

    def _state(self, place: TopicPartition) -> Any:
        subscription = self._consumer._subscription.subscription
        assignment = subscription.assignment if subscription else None
        return assignment.state_value(place) if assignment and place in assignment.tps else None


def _is_error_to_raise(fetched: Any) -> bool:
    return not isinstance(fetched, FetchResult) and not isinstance(fetched._error, RecordTooLargeError)


def _records_of(fetched: FetchResult, room: int) -> tuple[Stretch, bool]:
    """What of a fetch can be read, up to so many records, and whether it ends before what can't be."""
    unpacked, records, broken = fetched._partition_records, list[Any](), False
    starts_at = unpacked.next_fetch_offset
    try:
        records.extend(islice(unpacked, room))  # keeps what came before an error
    except Exception:  # of any kind: the content of a batch is a stranger's
        broken = True
    fetched._update_position()
    if broken or len(records) < room:
        fetched._partition_records = None
    return Stretch(starts_at, unpacked.next_fetch_offset, records), broken


async def examine(consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> Readable | Unreadable | None:
    """The first batch from an offset on, asked of the partition's leader. Raises KafkaError when it does not answer."""
    leader = consumer._client.cluster.leader_for_partition(place)
    wanted = [(place.topic, [(place.partition, offset, _FETCH_BYTES)])]
    answer = await consumer._client.send(leader, FetchRequest(0, 1, _FETCH_BYTES, READ_COMMITTED, wanted, rack_id=""))
    [(_, [(_, code, high, end, *more, data)])] = answer.topics
    if code in _BROKEN_THERE:
        return Unreadable(offset, None, f"Kafka answers {for_code(code).__name__}")
    if code:
        return None
    if not data:
        reason = f"Kafka hands out nothing there, and says that the log goes on to {end}"
        return Unreadable(offset, None, reason) if offset < end else None
    aborted = more[1] if answer.API_VERSION >= 5 else more[0]
    return batches.read_first(data, offset, high, aborted or ())
