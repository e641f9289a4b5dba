"""Brings a database to the schema of this program: `records` by numbered migrations, `views` as one piece.

All missing migrations run in one transaction under a lock, so that several processes may start at once. A migration
that was changed after it ran is refused. `views` is only created when it is missing: `ledger rebuild` replaces it. Only
its indexes are made and dropped here, while others read and write.

How to change `records`: add a file `migrations/NNNN_what.sql` with the next number; never edit one that was released.
How to change a function: write a new one under the next version in its name (`records.locked_funds_v2`), and call that.
Never replace a function: processes of the release before run on until they next check the release, and call theirs. A
later migration, of a later release, drops the version that no program calls any more.
"""

import time

from psycopg import sql

from ledger.postgres.connections import connect
from ledger.postgres.kinds import MIGRATION, MIGRATION_AUTOCOMMIT
from ledger.postgres.release import (
    VIEWS,
    ViewsOutdated,
    checksum,
    difference,
    migrations,
    views_indexes,
    views_statements,
    views_version,
)
from ledger.postgres.types import Connection
from ledger.records import rebuilds

_LOCK = 0x1ED6E5
_INDEXES_LOCK = 0x1ED6E7
_LOOK_SECONDS = 0.5


# The indexes of `views` that no constraint made, with what was noted of how each was made; None when it was cut short.
_INDEXES = """
SELECT c.relname, CASE WHEN i.indisvalid THEN obj_description(c.oid, 'pg_class') END
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'views'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid)
"""


def migrate(database: str) -> list[str]:
    """Runs what has not run yet and returns its names. Raises OtherRelease."""
    with connect(database, MIGRATION) as connection:
        ran = [*migrate_records(connection), *_create_views(connection)]
    with connect(database, MIGRATION_AUTOCOMMIT) as connection:
        while not _alone(connection):
            time.sleep(_LOOK_SECONDS)
        return ran + _update_indexes(connection)


def create_views(connection: Connection) -> None:
    """Creates the empty views and notes their version."""
    for statement in views_statements():
        connection.execute(statement.encode())
    for name, statement in views_indexes().items():
        _create_index(connection, name, statement)
    connection.execute(
        "INSERT INTO records.migrations (name, checksum) VALUES (%s, %s) "
        "ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, ran_at = now()",
        (VIEWS, views_version()),
    )


def migrate_records(connection: Connection) -> list[str]:
    """Runs what of `records` has not run yet, in the caller's transaction; leaves the views as they are.

    Raises DatabaseNewer or MigrationChanged.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    connection.execute("CREATE SCHEMA IF NOT EXISTS records")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS records.migrations "
        "(name text PRIMARY KEY, checksum text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now())"
    )
    ran = dict(
        connection.execute("SELECT name, checksum FROM records.migrations WHERE name <> %s", (VIEWS,)).fetchall()
    )
    missing = {name: text for name, text in migrations().items() if name not in ran}
    after = {**ran, **{name: checksum(text) for name, text in missing.items()}, VIEWS: views_version()}
    if other := difference(after.items()):
        raise other
    if missing:
        # A process that checks the release now waits for the new one: see ledger.postgres.release.
        connection.execute("LOCK TABLE records.migrations IN ACCESS EXCLUSIVE MODE")
    for name, text in missing.items():
        connection.execute(text)
        connection.execute("INSERT INTO records.migrations (name, checksum) VALUES (%s, %s)", (name, checksum(text)))
    return list(missing)


def _create_views(connection: Connection) -> list[str]:
    found = connection.execute("SELECT to_regnamespace('views') IS NOT NULL").fetchone()
    if not found or not found[0]:
        create_views(connection)
        return [VIEWS]
    stored = connection.execute("SELECT checksum FROM records.migrations WHERE name = %s", (VIEWS,)).fetchone()
    if stored != (views_version(),):
        raise ViewsOutdated()
    return []


def _alone(connection: Connection) -> bool:
    """Takes the lock for making indexes if it is free. It does not wait: that would block the process that has it."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_INDEXES_LOCK,)).fetchone()
    return bool(row and row[0])


def _update_indexes(connection: Connection) -> list[str]:
    """Makes and drops indexes of the views, without a lock that a writer would wait for; returns their names.

    An interrupted run leaves an index that is invalid or has no note: it is made again.
    """
    noted = {name: checksum(statement.encode()) for name, statement in views_indexes().items()}
    stored = dict(connection.execute(_INDEXES).fetchall())
    gone = sorted(name for name in stored if name not in noted or stored[name] != noted[name])
    missing = sorted(name for name in noted if stored.get(name) != noted[name])
    if gone or missing:
        rebuilds.share(connection)
    for name in gone:
        connection.execute(sql.SQL("DROP INDEX CONCURRENTLY views.{}").format(sql.Identifier(name)))
    for name in missing:
        _create_index(connection, name, views_indexes()[name].replace(" INDEX ", " INDEX CONCURRENTLY ", 1))
    return sorted({*gone, *missing})


def _create_index(connection: Connection, name: str, statement: str) -> None:
    """Makes an index and notes on it how it was made."""
    connection.execute(statement.encode())
    note = checksum(views_indexes()[name].encode())
    comment = sql.SQL("COMMENT ON INDEX views.{} IS {}")
    connection.execute(comment.format(sql.Identifier(name), sql.Literal(note)))
