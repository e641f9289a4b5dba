"""Rebuilds of the views: the lock of the processes that write, and the old views, kept until they were compared.

A process that writes the views or publishes the outbox holds a shared lock for its whole session. A rebuild holds it
exclusively. While a rebuild is unfinished, also after it was killed, no other process gets the lock: half-built views
are never folded on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.postgres.connections import connect
from ledger.postgres.kinds import REBUILD
from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "rebuilds.sql")

# Partitions have the numbers from 0 on in this namespace, where a batch takes its partition's lock.
_LOCK = {"namespace": 0x1ED6E5, "lock": -1}


class RebuildRunning(LedgerError):
    message = "The views are being rebuilt; no other process may write them until `ledger rebuild` has ended"


class RebuildUnfinished(LedgerError, exit_code=EXIT_CONFIG):
    message = "The views are half-built, because a rebuild was interrupted. Run `ledger rebuild` again"


class ViewsInUse(LedgerError):
    message = "Somebody writes the views; stop every projector, then rebuild"


class Rebuild(NamedTuple):
    """A begun rebuild. `targets`: how far each partition was folded; `columns`: of which columns there are digests.

    `outbox_position`: messages behind it were put there by this rebuild.
    """

    targets: dict[int, int]
    columns: dict[str, list[str]]
    outbox_position: int


def share(connection: Connection) -> None:
    """Takes the shared lock until the session ends. Raises RebuildRunning or RebuildUnfinished."""
    if not _true(connection, "share"):
        raise RebuildRunning()
    if connection.execute(SQL["unfinished"]).fetchone():
        raise RebuildUnfinished()


@contextmanager
def exclusive(database: str) -> Iterator[Connection]:
    """A session in autocommit with the exclusive lock. Raises ViewsInUse, which names the processes that write."""
    with connect(database, REBUILD) as connection:
        if not _true(connection, "take_alone"):
            raise ViewsInUse("; ".join(_holders(connection)))
        yield connection


def writers(database: str) -> list[str]:
    """The processes that hold the lock, shared or exclusive."""
    with connect(database, REBUILD) as connection:
        return _holders(connection)


def unfinished(connection: Connection) -> Rebuild | None:
    """The rebuild that was interrupted, if one was."""
    row = connection.execute(SQL["unfinished"]).fetchone()
    return Rebuild({int(number): offset for number, offset in row[0].items()}, row[1], row[2]) if row else None


def begin(connection: Connection, targets: dict[int, int], columns: dict[str, list[str]]) -> Rebuild:
    """Notes a rebuild as unfinished, from the caller's commit on."""
    parameters = {"targets": Jsonb(targets), "columns": Jsonb(columns)}
    row = connection.execute(SQL["begin"], parameters).fetchone()
    assert row is not None
    return Rebuild(targets, columns, row[0])


def set_aside(connection: Connection) -> None:
    """Keeps the present views until the rebuild has ended. The caller makes new ones in the same transaction."""
    connection.execute(SQL["set_aside"])


def put_back(connection: Connection) -> bool:
    """Gives up an unfinished rebuild and restores the old views. False when there were none."""
    with connection.transaction():
        if not _before_is_there(connection):
            return False
        connection.execute(SQL["put_back"])
    return True


def finish(connection: Connection, result: dict[str, Any]) -> None:
    """Notes the rebuild as finished and drops the old views."""
    with connection.transaction():
        if _before_is_there(connection):
            connection.execute(SQL["move_positions"])
        connection.execute(SQL["drop_before"])
        connection.execute(SQL["finish"], {"result": Jsonb(result)})
        connection.execute(SQL["drop_digests"])


def _holders(connection: Connection) -> list[str]:
    rows = connection.execute(SQL["holders"], _LOCK)
    return [f"{name} (process {pid} of Postgres, from {client})" for pid, name, client in rows]


def _before_is_there(connection: Connection) -> bool:
    row = connection.execute(SQL["before_is_there"]).fetchone()
    return bool(row and row[0])


def _true(connection: Connection, name: str) -> bool:
    row = connection.execute(SQL[name], _LOCK).fetchone()
    return bool(row and row[0])
