"""A record of the log as our code reads it, whichever Kafka client fetched it, and its time."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from ledger.core.calendar import ms_of


class Record(Protocol):
    """The parts of a Kafka client's record that our code reads."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...


class PlainRecord(NamedTuple):
    """A record that does not come from a Kafka client: it is to be appended, or was read from a batch."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    offset: int = -1
    timestamp: int = 0


# Brokers stamp records themselves, on a topic that was not changed: no other time has ever been one of the log.
LOG_TIME_MAX_MS = ms_of(datetime(2200, 1, 1, tzinfo=UTC))


def log_time_ms(record: Record) -> int:
    """When the record was appended, within what can be a time of the log."""
    return min(max(record.timestamp, 0), LOG_TIME_MAX_MS)
