"""Detects a KafkaConsumer that has stopped silently, so that it is replaced.

Its polls raise no error, but it is in no group, or it gets no records although its partitions have new ones.
"""

import time

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from ledger.log.connecting import ANSWER_MS

_LOOK_SECONDS = 20.0


class Standstill:
    """Watches one KafkaConsumer. Records that exist at one check must be read by the next check."""

    def __init__(self, kafka: KafkaConsumer) -> None:
        self._kafka = kafka
        self._ends: dict[TopicPartition, int] = {}
        self._looked_at = time.monotonic()
        self._was_member = True

    def check(self, polled: bool) -> None:
        """Call it after each poll. After some time without records it asks the broker. Raises KafkaTimeoutError."""
        if polled:
            self._ends, self._was_member, self._looked_at = {}, True, time.monotonic()
        elif time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._look()
            self._looked_at = time.monotonic()

    def _look(self) -> None:
        member = self._kafka.group_metadata().generation_id > 0
        if not member and not self._was_member:
            raise KafkaTimeoutError("the consumer does not get into its group")
        assigned = self._kafka.assignment()
        for place in assigned & self._ends.keys():
            if (self._kafka.position(place, timeout_ms=ANSWER_MS) or 0) < self._ends[place]:
                raise KafkaTimeoutError(f"the consumer does not get what is on {place.topic}/{place.partition}")
        self._was_member = member
        self._ends = self._kafka.end_offsets(list(assigned), timeout_ms=ANSWER_MS) if assigned else {}
