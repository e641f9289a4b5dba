"""Dead letters in the views: where a record is that could not be applied, and why."""

from collections.abc import Iterable
from typing import NamedTuple

from ledger.views.writing import SQL, Connection


class DeadRow(NamedTuple):
    """A row of `views.dead_letters`, without its place."""

    log_offset: int
    log_time_ms: int
    code: str
    reason: str
    account_id: str | None
    event_id: str | None
    type: str | None
    excerpt: str


def write_dead_letters(connection: Connection, topic: str, partition: int, rows: Iterable[DeadRow]) -> None:
    """Notes records that could not be applied; one that is noted already stays as it is."""
    parameters = [{"topic": topic, "partition": partition, **row._asdict()} for row in rows]
    if parameters:
        connection.cursor().executemany(SQL["add_dead_letter"], parameters)
