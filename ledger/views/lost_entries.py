"""Entries of the views whose events the log lost: sums per partition, and each entry as its event.

The caller reads the log and adds what is on it. All tables are temporary, of one session.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg.sql import SQL as Composable
from psycopg.sql import Identifier

from ledger.core.entry import Fact
from ledger.core.errors import LedgerError
from ledger.postgres.types import Connection
from ledger.sql import statements
from schemas.events import EVENT, Event
from schemas.identity import content_of

SQL = statements("ledger.views", "lost_entries.sql")
_USED = ("usage.recorded", "trace.recorded")
_AT_ONCE = 2_000


class SecretsDiffer(LedgerError):
    message = (
        "Records that were folded don't verify: LEDGER_SIGNING_KEYS lacks a secret, or has another one than before"
    )


class IncompleteEvent(LedgerError):
    message = "An entry of the views lacks a part of its event: it was changed, or another version wrote it"


class Loss(NamedTuple):
    """Entries of one partition that the log lacks. `types`: how many of each; amounts in nanos.

    `bought`: credits of purchases; `used`: charges of usage and traces; `amount`: what all of them add to balances.
    """

    partition: int
    records: int
    bought: int
    used: int
    amount: int
    types: dict[str, int]


class LostEntry(NamedTuple):
    """An entry as the log should have it. `data`: JSON of the event's data."""

    partition: int
    event_id: str
    account_id: str
    signed: bool
    content: str
    type: str
    log_time_ms: int
    source: str
    dataschema: str | None
    time: str | None
    data: str


@contextmanager
def views_named(connection: Connection, *schemas: str) -> Iterator[None]:
    """Compares the views in the first of these schemas that has them, while the block runs."""
    path = Composable(", ").join(map(Identifier, schemas))
    connection.execute(Composable("SET search_path TO {}").format(path))
    try:
        yield
    finally:
        connection.execute(SQL["drop"])
        connection.execute("RESET search_path")


def views_exist(connection: Connection) -> bool:
    """Whether the named schema has views."""
    row = connection.execute(SQL["there"]).fetchone()
    return bool(row and row[0])


def folded(connection: Connection) -> dict[int, int]:
    """How far each partition is folded."""
    return dict(connection.execute(SQL["folded"]).fetchall())


@contextmanager
def log_contents(connection: Connection) -> Iterator["LogContents"]:
    """Collects what is on the log; after the block the lost entries are known. Raises SecretsDiffer."""
    for statement in ("drop", "make_found", "make_unproven"):
        connection.execute(SQL[statement])
    with connection.cursor().copy(SQL["copy_found"]) as copy:
        found = LogContents(copy)
        yield found
    with connection.cursor().copy(SQL["copy_unproven"]) as copy:
        for place in found.unproven:
            copy.write_row(place)
    for statement in ("analyze", "make_lost", "index_lost"):
        connection.execute(SQL[statement])
    row = connection.execute(SQL["count_unproven"]).fetchone()
    if row and row[0]:
        raise SecretsDiffer(f"{row[0]:,} records")


class LogContents:
    """What is on the log. `unproven`: partition and offset of records whose signature does not verify."""

    def __init__(self, copy: psycopg.Copy) -> None:
        self._copy = copy
        self.unproven: list[tuple[int, int]] = []

    def add(self, partition: int, facts: Iterable[tuple[Fact, int]]) -> None:
        """Facts of a partition with their offsets."""
        lines = (
            f"{fact.event_id}\t{fact.event.subject}\t{'f' if fact.key_id is None else 't'}\t{fact.content}"
            f"\t{partition}\t{offset}\n"
            for fact, offset in facts
        )
        self._copy.write("".join(lines))


def losses(connection: Connection) -> list[Loss]:
    """The loss of each partition that lost entries."""
    by_partition: dict[int, list[tuple[str, int, int]]] = {}
    for partition, *of_type in connection.execute(SQL["losses"]):
        by_partition.setdefault(partition, []).append(tuple(of_type))
    return [_loss(partition, rows) for partition, rows in by_partition.items()]


def out_of_order(connection: Connection) -> list[str]:
    """The first accounts that have lost an event of which the log still has later ones."""
    return [account_id for (account_id,) in connection.execute(SQL["out_of_order"])]


def unchanged_up_to(connection: Connection) -> dict[int, int]:
    """By partition, the offset up to which the log is unchanged since it was folded."""
    return dict(connection.execute(SQL["in_place"]).fetchall())


def last_common_offsets(connection: Connection) -> dict[int, int]:
    """Per partition the offset behind the last event that both the log and the views have. Later events are new."""
    return dict(connection.execute(SQL["reached"]).fetchall())


def lost_entries(connection: Connection) -> Iterator[LostEntry]:
    """What the log lacks, partition by partition in the order in which it was folded; streamed."""
    with connection.transaction(), connection.cursor("lost_entries") as cursor:
        cursor.itersize = _AT_ONCE
        for row in cursor.execute(SQL["lost_entries"]):
            yield LostEntry(*row)


def event_of(entry: LostEntry) -> Event:
    """The event of an entry. Only its id and its time may be written differently. Raises IncompleteEvent."""
    try:
        event = EVENT.validate_json(_json(entry))
    except ValueError as error:
        raise IncompleteEvent(f"{entry.account_id}: {entry.event_id}") from error
    if content_of(event) != entry.content:
        raise IncompleteEvent(f"{entry.account_id}: {entry.event_id}")
    return event


def _json(entry: LostEntry) -> str:
    attributes = {
        "type": entry.type,
        "source": entry.source,
        "id": entry.event_id,
        "subject": entry.account_id,
        "time": entry.time,
        "dataschema": entry.dataschema,
    }
    return f'{json.dumps(attributes)[:-1]}, "data": {entry.data}}}'


def _loss(partition: int, rows: Sequence[tuple[str, int, int]]) -> Loss:
    def amounts(*types: str) -> int:
        return sum(amount for type_, _, amount in rows if type_ in types)

    return Loss(
        partition,
        records=sum(count for _, count, _ in rows),
        bought=amounts("credits.purchased"),
        used=-amounts(*_USED),
        amount=sum(amount for _, _, amount in rows),
        types={type_: count for type_, count, _ in rows},
    )
