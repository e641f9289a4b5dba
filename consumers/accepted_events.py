"""Reads the events that the fold has accepted: each event once, in the order of its partition, by one process.

The position and the effect of an event are written in one transaction, so that a process may be killed at any time.
Nothing is read while the views are half-built, or older than this process's connection: a database that was restored
from a backup must be projected to the end of the log first.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ledger.postgres.types import Connection
from ledger.records import fact_positions, rebuilds
from ledger.views import accepted_events
from ledger.views.accepted_events import AcceptedEvent

_AT_ONCE = 50
# How much the clocks of broker and consumer may differ.
_MARGIN = timedelta(seconds=1)

Act = Callable[[Connection, AcceptedEvent], object]


class AcceptedEventReader:
    """Reads events of some types for one consumer, which keeps its position per partition."""

    def __init__(self, consumer: str, types: Sequence[str]) -> None:
        self._consumer, self._types = consumer, types
        self._connection: Connection | None = None
        self._since = datetime.now(UTC)
        self._current = False

    def ready(self, connection: Connection) -> bool:
        """Whether the views are complete, and were up to date once since this connection was made."""
        if self._connection is not connection:
            self._connection, self._since, self._current = connection, datetime.now(UTC), False
        if rebuilds.unfinished(connection) is not None:
            return False
        if not self._current:
            through = accepted_events.true_up_to(connection)
            self._current = through is not None and through >= self._since + _MARGIN
        return self._current

    def each(self, connection: Connection, act: Act) -> None:
        """Calls `act` for every new event. If `act` raises, the position stays before the event."""
        for partition in accepted_events.partitions(connection):
            while self._read_batch(connection, partition, act):
                pass

    def _read_batch(self, connection: Connection, partition: int, act: Act) -> bool:
        with connection.transaction():
            position = fact_positions.lock(connection, self._consumer, partition)
            found = accepted_events.after(connection, partition, position, self._types, _AT_ONCE)
            for accepted in found:
                act(connection, accepted)
            if found:
                fact_positions.move(connection, self._consumer, partition, found[-1].offset + 1)
        return len(found) == _AT_ONCE
