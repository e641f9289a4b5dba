"""Dead letters in the views: where a record is that could not be applied, and why."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from ledger.core.errors import text_of
from ledger.postgres.types import Connection
from ledger.sql import statements
from ledger.views.writing import SQL

_READING = statements("ledger.views", "dead_letters.sql")


class DeadRow(NamedTuple):
    """A row of `views.dead_letters`, without its place."""

    log_offset: int
    log_time_ms: int
    code: str
    field: str | None
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


class DeadLetter(NamedTuple):
    """A record that could not be applied. `topic` with the deployment's prefix; `excerpt` escaped. `str()`: why."""

    topic: str
    partition: int
    log_offset: int
    code: str
    field: str | None
    reason: str
    account_id: str | None
    event_id: str | None
    type: str | None
    log_time: datetime
    excerpt: str

    def __str__(self) -> str:
        return text_of(self.field, self.reason)


def list_dead_letters(
    connection: Connection, *, code: str | None, topic: str | None, since: datetime | None, limit: int
) -> list[DeadLetter]:
    """Dead letters, newest first. None: of any code, on any topic, of any time."""
    parameters = {"code": code, "topic": topic, "since": since, "limit": limit}
    with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(_READING["list"], parameters).fetchall()


def find_dead_letter(connection: Connection, topic: str, partition: int, log_offset: int) -> DeadLetter | None:
    """The dead letter of the record at this place; None when that record is none."""
    where = {"topic": topic, "partition": partition, "log_offset": log_offset}
    with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(_READING["find"], where).fetchone()


def count_from(connection: Connection, topic: str, partition: int, log_offset: int) -> int:
    """How many dead letters a partition has from an offset on."""
    where = {"topic": topic, "partition": partition, "log_offset": log_offset}
    row = connection.execute(_READING["count_from"], where).fetchone()
    return int(row[0]) if row else 0
