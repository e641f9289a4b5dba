"""Reads ledger.events with aiokafka 0.14.0, whatever records other clients have written. For workers and for replays.

aiokafka returns records but not how far they reach: it silently skips transaction markers, aborted records and empty
batches, which all have offsets. If it can't read one partition, it drops what it has read of the others; of a truncated
batch it skips one offset. So this module takes what aiokafka has fetched, by partition and with its bounds. It reads
again what aiokafka can't read, and reports it.
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
from ledger.log.batches import ReadBatch, UnreadableStretch
from ledger.log.kafka_python_fixes import refuse_missing_codecs
from ledger.log.record import Record
from projectors.partition_waits import Ends

_FETCH_BYTES = 4 * 1024 * 1024
_STILL_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_END_SECONDS = 2.0
_UNAVAILABLE = (KafkaError, TimeoutError)
# The broker's error codes for a corrupt batch and for an unexpected error.
_BROKEN_THERE = (2, -1)


class FetchedRange(NamedTuple):
    """Everything from offset `starts_at` to before `ends_at`. `unreadable`: what follows it and can't be read."""

    starts_at: int
    ends_at: int
    records: Sequence[Record]
    unreadable: UnreadableStretch | None = None


def install() -> None:
    """Limits the size of what aiokafka decompresses in this process. Raises CodecMissing."""
    refuse_missing_codecs(aiokafka.codec, "aiokafka")
    default_records.gzip_decode = batches.gunzipped
    default_records.lz4_decode = batches.unlz4ed
    default_records.zstd_decode = batches.unzstded


class Fetcher:
    """Takes what a started consumer of committed records has fetched. It pauses a partition that can't be read.

    `retry` fetches it again: the broker may have an intact copy by then, or a person has decided to skip.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._stuck: dict[TopicPartition, tuple[int, float]] = {}
        self._paused: set[TopicPartition] = set()

    async def fetch(
        self, partitions: Collection[TopicPartition], seconds: float, max_records: int
    ) -> dict[TopicPartition, FetchedRange]:
        """What was fetched of these partitions. Waits up to `seconds` for the first record."""
        fetcher, deadline = self._consumer._fetcher, time.monotonic() + seconds
        partitions = {TopicPartition(*place) for place in partitions}  # Faust has its own type for them
        while True:
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
            found = await self._drain(partitions, max_records) or await self._stuck_partitions(partitions)
            left = deadline - time.monotonic()
            if found or left <= 0 or fetcher._closed:
                return found
            waiter = fetcher._create_fetch_waiter()
            await asyncio.wait([waiter], timeout=left)
            if waiter.done():
                waiter.result()  # raises an error of the group's coordinator

    async def retry(self) -> None:
        """Fetches the paused partitions again."""
        for place in self._paused & self._consumer.assignment():
            self._consumer.resume(place)
        self._paused.clear()

    async def seek_and_resume(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Continues from these offsets, also in paused partitions."""
        for place, offset in offsets.items():
            place = TopicPartition(*place)
            self._consumer.seek(place, offset)
            self._consumer.resume(place)
            self._paused.discard(place)

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Ends]:
        """The current ends of the partitions, from their leaders. Leaves out partitions whose leader does not answer.

        Raises KafkaError or TimeoutError if no leader answers.
        """
        leaders = defaultdict[int | None, list[TopicPartition]](list)
        for place in partitions:
            leaders[self._consumer._client.cluster.leader_for_partition(place)].append(place)
        answers = await asyncio.gather(*map(self._ends_of, leaders.values()), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures and (len(failures) == len(answers) or not all(isinstance(each, _UNAVAILABLE) for each in failures)):
            raise failures[0]
        return {place: end for answer in answers if isinstance(answer, dict) for place, end in answer.items()}

    async def _ends_of(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Ends]:
        """The ends on one leader. A transaction that begins between its two answers does not count as open."""
        everything = copy(self._consumer._fetcher)
        everything._isolation_level = READ_UNCOMMITTED
        timeout_ms = self._consumer._request_timeout_ms
        async with asyncio.timeout(_END_SECONDS):
            high = await everything.end_offsets(partitions, timeout_ms)
            stable = await self._consumer._fetcher.end_offsets(partitions, timeout_ms)
        return {place: Ends(stable[place], high[place]) for place in partitions}

    async def _drain(self, partitions: Collection[TopicPartition], room: int) -> dict[TopicPartition, FetchedRange]:
        fetcher, found = self._consumer._fetcher, dict[TopicPartition, FetchedRange]()
        for place in list(fetcher._records):
            if place not in partitions:
                if not fetcher._subscriptions.is_assigned(place):
                    del fetcher._records[place]
                continue
            fetched = fetcher._records[place]
            if room <= 0 or (found and _is_error_to_raise(fetched)):
                break
            range_ = await self._drain_one(place, fetched, room)
            if range_ and (range_.ends_at > range_.starts_at or range_.unreadable):
                found[place] = range_
                room -= len(range_.records)
        return found

    async def _drain_one(self, place: TopicPartition, fetched: Any, room: int) -> FetchedRange | None:
        fetcher, state = self._consumer._fetcher, self._state(place)
        range_, broken = None, False
        if isinstance(fetched, FetchResult):
            if fetched.check_assignment(place) and fetched.has_more():
                range_, broken = _records_of(fetched, room)
            if fetched.has_more():
                return range_
        elif not _is_error_to_raise(fetched) and state is not None:
            state.seek(state.position - 1)  # aiokafka has skipped the truncated batch
            range_, broken = FetchedRange(state.position, state.position, ()), True
        del fetcher._records[place]
        if broken:
            self._consumer.pause(place)
        fetcher._notify(fetcher._wait_consume_future)
        if _is_error_to_raise(fetched):
            fetched.check_raise()
        return await self._reread(place, range_) if broken and range_ else range_

    async def _reread(self, place: TopicPartition, range_: FetchedRange) -> FetchedRange:
        """Reads again what aiokafka could not read. Pauses the partition if that fails too."""
        state = self._state(place)
        seen = await self._examine(place, range_.ends_at)
        if isinstance(seen, ReadBatch) and self._state(place) is state and state.position == range_.ends_at:
            state.consumed_to(seen.next_offset)
            self._consumer.resume(place)
            return FetchedRange(range_.starts_at, seen.next_offset, [*range_.records, *seen.records])
        self._paused.add(place)
        return range_._replace(unreadable=seen if isinstance(seen, UnreadableStretch) else None)

    async def _stuck_partitions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, FetchedRange]:
        """Partitions of which nothing more is fetched although they go on: a broker does not report data that it can't
        find.
        """
        found = {}
        for place in partitions:
            state = self._state(place)
            if state is None or not state.has_valid_position or state.paused:
                continue
            position = state.position
            if state.lso is not None and state.lso <= position:
                self._stuck.pop(place, None)
                continue
            since = self._stuck.get(place)
            if since is None or since[0] != position:
                self._stuck[place] = position, time.monotonic()
            elif time.monotonic() > since[1] + _STILL_SECONDS:
                del self._stuck[place]
                seen = await self._examine(place, position)
                if isinstance(seen, UnreadableStretch) and self._state(place) is state and state.position == position:
                    self._consumer.pause(place)
                    self._paused.add(place)
                    found[place] = FetchedRange(position, position, (), seen)
        return found

    async def _examine(self, place: TopicPartition, offset: int) -> ReadBatch | UnreadableStretch | None:
        """The first batch from an offset on; None if there is none yet or the broker does not answer."""
        try:
            return await asyncio.wait_for(examine(self._consumer, place, offset), _ANSWER_SECONDS)
        except Exception:  # a broker that is away is handled elsewhere; here it only means: not known
            return None

    def _state(self, place: TopicPartition) -> Any:
        subscription = self._consumer._subscription.subscription
        assignment = subscription.assignment if subscription else None
        return assignment.state_value(place) if assignment and place in assignment.tps else None


def _is_error_to_raise(fetched: Any) -> bool:
    return not isinstance(fetched, FetchResult) and not isinstance(fetched._error, RecordTooLargeError)


def _records_of(fetched: FetchResult, room: int) -> tuple[FetchedRange, bool]:
    """The readable records of a fetch, at most `room`, and whether something unreadable follows them."""
    unpacked, records, broken = fetched._partition_records, list[Any](), False
    starts_at = unpacked.next_fetch_offset
    try:
        records.extend(islice(unpacked, room))  # keeps the records before an error
    except Exception:  # of any kind: another client has written the batch
        broken = True
    fetched._update_position()
    if broken or len(records) < room:
        fetched._partition_records = None
    return FetchedRange(starts_at, unpacked.next_fetch_offset, records), broken


async def examine(
    consumer: AIOKafkaConsumer, place: TopicPartition, offset: int
) -> ReadBatch | UnreadableStretch | None:
    """The first batch from an offset on, from the partition's leader. Raises KafkaError if it does not answer."""
    leader = consumer._client.cluster.leader_for_partition(place)
    wanted = [(place.topic, [(place.partition, offset, _FETCH_BYTES)])]
    answer = await consumer._client.send(leader, FetchRequest(0, 1, _FETCH_BYTES, READ_COMMITTED, wanted, rack_id=""))
    [(_, [(_, code, high, end, *more, data)])] = answer.topics
    if code in _BROKEN_THERE:
        return UnreadableStretch(offset, None, f"Kafka answers {for_code(code).__name__}")
    if code:
        return None
    if not data:
        reason = f"Kafka returns no record there, although the log ends at {end}"
        return UnreadableStretch(offset, None, reason) if offset < end else None
    aborted = more[1] if answer.API_VERSION >= 5 else more[0]
    return batches.read_first(data, offset, high, aborted or ())
