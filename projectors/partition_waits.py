"""Why a partition is not folded although its log has more records: an open transaction, or unreadable records.

An open transaction holds back everything after its first record, from all producers. Kafka aborts it after its timeout,
by default at most 15 minutes. Unreadable records wait for a person's decision. Both are logged, with a remedy.
"""

import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from ledger.log.batches import UnreadableStretch
from ledger.log.connecting import LogUnavailable, administrating
from ledger.settings import Settings

# Every transaction is open for some moments; only longer ones are logged.
_LOGGED_AFTER_SECONDS = 5.0
_SECONDS_BETWEEN = 60.0

log = structlog.get_logger()


class Ends(NamedTuple):
    """Where a partition's log ends: `stable` for a reader of committed records, `high` in all."""

    stable: int
    high: int


class PartitionWait(NamedTuple):
    """What a partition waits for, since when, and at which place."""

    what: Literal["transaction", "unreadable"]
    since_ms: int
    topic: str
    partition: int
    offset: int

    @property
    def place(self) -> str:
        """Topic, partition and offset, as `ledger log skip` takes them."""
        return f"{self.topic}/{self.partition}/{self.offset}"


class WaitTracker:
    """Which partitions wait, as of the last look."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings, self._topic = settings, topic
        self._waits: dict[int, PartitionWait] = {}
        self._logged_at: dict[int, float] = {}

    def find_waits(
        self, ends: Mapping[int, Ends], folded: Mapping[int, int], unreadable: Mapping[int, UnreadableStretch]
    ) -> dict[int, PartitionWait]:
        """What each waiting partition waits for. `folded`: the offset up to which each partition is folded."""
        found = {}
        for partition, end in ends.items():
            place = folded.get(partition)
            if partition in unreadable:
                found[partition] = self._wait(partition, "unreadable", unreadable[partition].first)
            elif place is not None and end.stable <= place < end.high:
                found[partition] = self._wait(partition, "transaction", end.stable)
        for over in self._waits.keys() - found.keys():
            del self._waits[over]
            self._logged_at.pop(over, None)
        return found

    def log_waits(self, waiting: Mapping[int, PartitionWait], unreadable: Mapping[int, UnreadableStretch]) -> None:
        """Logs the waits, each once a minute, and asks Kafka which producer has the transaction."""
        now = time.monotonic()
        for partition, each in waiting.items():
            seconds = time.time() - each.since_ms / 1000
            if each.what == "transaction" and seconds < _LOGGED_AFTER_SECONDS:
                continue
            if now - self._logged_at.get(partition, float("-inf")) < _SECONDS_BETWEEN:
                continue
            self._logged_at[partition] = now
            if each.what == "unreadable":
                self._log_unreadable(partition, unreadable[partition])
            else:
                self._log_transaction(each, seconds)

    def _wait(self, partition: int, what: Literal["transaction", "unreadable"], offset: int) -> PartitionWait:
        """The partition's wait; the earlier one if it waits for the same."""
        earlier = self._waits.get(partition)
        if earlier is None or (earlier.what, earlier.offset) != (what, offset):
            earlier = PartitionWait(what, time.time_ns() // 1_000_000, self._topic, partition, offset)
            self._waits[partition] = earlier
        return earlier

    def _log_unreadable(self, partition: int, unreadable: UnreadableStretch) -> None:
        last = unreadable.last
        log.error(
            "unreadable_records",
            topic=self._topic,
            partition=partition,
            first_offset=unreadable.first,
            last_offset=last,
            reason=unreadable.reason,
            remedy="restore them, or `ledger log skip "
            f"{self._topic}/{partition}/{unreadable.first} --to {'LAST' if last is None else last} --reason ...`",
        )

    def _log_transaction(self, wait: PartitionWait, seconds: float) -> None:
        log.warning(
            "open_transaction",
            topic=wait.topic,
            partition=wait.partition,
            offset=wait.offset,
            seconds=round(seconds),
            producer_id=self._producer_of(wait.partition),
            remedy="end it in its producer, or with kafka-transactions.sh abort",
        )

    def _producer_of(self, partition: int) -> int | None:
        """The id of the producer with the open transaction, if Kafka answers."""
        place = TopicPartition(self._topic, partition)
        try:
            with administrating(self._settings) as admin:
                producers = admin.describe_producers([place])[place].active_producers
        except (KafkaError, LogUnavailable):
            return None
        begun = [(each.current_transaction_start_offset, each.producer_id) for each in producers]
        return min(((offset, producer) for offset, producer in begun if offset >= 0), default=(0, None))[1]
