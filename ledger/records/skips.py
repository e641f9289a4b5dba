"""Stretches of the log that can't be read and that a person has decided to skip."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.core.calendar import ms_of
from ledger.core.errors import Unreadable
from ledger.log.continuity import Stretch
from ledger.log.dead_letters import problem_of
from ledger.log.validation import SkippedRecord
from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "skips.sql")


class Skip(NamedTuple):
    """Offsets that are skipped. `what` is wrong with them, and the `reason` of who decided."""

    first: int
    last: int
    what: str
    reason: str
    decided_at: datetime

    def record(self) -> SkippedRecord:
        """What is read in their place: a dead letter, the same in every fold."""
        detail = f"offsets {self.first} to {self.last}, {self.what}; skipped: {self.reason}"
        return SkippedRecord(self.first, ms_of(self.decided_at), problem_of(Unreadable(detail)))


Skips = Mapping[int, Sequence[Skip]]


def skips(connection: Connection, topic: str) -> Skips:
    """Those of a topic (with the deployment's prefix), by partition, in their order."""
    found: dict[int, list[Skip]] = {}
    for partition, *fields in connection.execute(SQL["skips"], {"topic": topic}):
        found.setdefault(partition, []).append(Skip(*fields))
    return found


def skipped_stretches(connection: Connection, topic: str) -> list[Stretch]:
    """The skipped stretches of a topic by partition, without the reasons."""
    found = skips(connection, topic)
    return [Stretch(partition, each.first, each.last) for partition, some in found.items() for each in some]


def skip(
    connection: Connection, topic: str, partition: int, first: int, last: int, what: str, reason: str
) -> Skip | None:
    """Stores the decision for each later fold. None if the topic is unknown, or if a part is skipped already."""
    wanted = {"topic": topic, "partition": partition, "first": first, "last": last, "what": what, "reason": reason}
    row = connection.execute(SQL["skip"], wanted).fetchone()
    return Skip(first, last, what, reason, row[0]) if row else None
