"""Warns operators of records that are not in their key's partition: they are forwarded, but late and out of order."""

import time
from collections.abc import Sequence

import structlog

from projectors.batch import MisplacedRecord

_SECONDS_BETWEEN = 60.0

log = structlog.get_logger()


class MisplacedWarning:
    """Logs at most one warning per minute: a producer with another partitioner misplaces most of its records."""

    def __init__(self) -> None:
        self._records = 0
        self._told_at = float("-inf")

    def note(self, partition: int, misplaced: Sequence[MisplacedRecord]) -> None:
        """Counts the records that a batch has forwarded, and logs a warning if one is due."""
        self._records += len(misplaced)
        if misplaced and time.monotonic() - self._told_at >= _SECONDS_BETWEEN:
            log.warning(
                "misplaced_records",
                records=self._records,
                partition=partition,
                source=misplaced[-1].fact.event.source,
                remedy="set the producer's partitioner to murmur2 (librdkafka: partitioner=murmur2_random)",
            )
            self._records, self._told_at = 0, time.monotonic()
