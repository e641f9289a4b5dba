"""Consumers of facts that the fold has accepted: each fact once, in the order of its partition, by one process.

The place and what is done about a fact are one transaction, so that a process may be killed anywhere. Nothing is done
while the views are half-built, or behind what the log said when this process connected: a database that was restored
must have read the log before it is asked what is new.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ledger.postgres.types import Connection
from ledger.records import fact_positions, rebuilds
from ledger.views import accepted_events
from ledger.views.accepted_events import AcceptedEvent

_AT_ONCE = 50
# The clocks of broker and consumer may differ by so much.
_MARGIN = timedelta(seconds=1)

Act = Callable[[Connection, AcceptedEvent], object]


class Facts:
    """The place of one consumer among the facts of these types."""

    def __init__(self, consumer: str, types: Sequence[str]) -> None:
        self._consumer, self._types = consumer, types
        self._connection: Connection | None = None
        self._since = datetime.now(UTC)
        self._current = False

    def ready(self, connection: Connection) -> bool:
        """Whether the views are whole, and were current once since this connection was made."""
        if self._connection is not connection:
            self._connection, self._since, self._current = connection, datetime.now(UTC), False
        if rebuilds.unfinished(connection) is not None:
            return False
        if not self._current:
            through = accepted_events.true_up_to(connection)
            self._current = through is not None and through >= self._since + _MARGIN
        return self._current

    def each(self, connection: Connection, act: Act) -> None:
        """Acts on every fact that is new. What `act` raises leaves the place where it was."""
        for partition in accepted_events.partitions(connection):
            while self._some(connection, partition, act):
                pass

    def _some(self, connection: Connection, partition: int, act: Act) -> bool:
        with connection.transaction():
            place = fact_positions.lock(connection, self._consumer, partition)
            found = accepted_events.after(connection, partition, place, self._types, _AT_ONCE)
            for fact in found:
                act(connection, fact)
            if found:
                fact_positions.move(connection, self._consumer, partition, found[-1].offset + 1)
        return len(found) == _AT_ONCE
