"""Brings a database to the schema of this program: `records` by numbered migrations, `views` as one piece.

Migrations run in one transaction under a lock, so that several processes may start at once. A migration that was
changed after it ran is refused. `views` is only created when it is missing: it is replaced by `ledger rebuild`.
"""

import hashlib
from importlib.resources import files

import psycopg

from ledger.core.errors import LedgerError
from ledger.views.postings import view_sql

_LOCK = 0x1ED6E5
VIEWS_VERSION = hashlib.sha256(
    (files("ledger.views").joinpath("schema.sql").read_text() + view_sql()).encode()
).hexdigest()[:16]


class MigrationChanged(LedgerError):
    """A migration that has run was changed since; add a new one instead."""


class ViewsOutdated(LedgerError):
    """The views were folded by another version of this program; run `ledger rebuild`."""


def migrate(database: str) -> list[str]:
    """Runs what has not run yet and returns its names. Raises MigrationChanged or ViewsOutdated."""
    with psycopg.connect(database) as connection:
        return [*migrate_records(connection), *_create_views(connection)]


def create_views(connection: psycopg.Connection) -> None:
    """Creates the empty views and notes their version."""
    connection.execute(files("ledger.views").joinpath("schema.sql").read_bytes())
    connection.execute(view_sql().encode())
    connection.execute(
        "INSERT INTO records.migrations (name, checksum) VALUES ('views', %s) "
        "ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, ran_at = now()",
        (VIEWS_VERSION,),
    )


def migrate_records(connection: psycopg.Connection) -> list[str]:
    """Runs what of `records` has not run yet, in the caller's transaction; leaves the views as they are."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    connection.execute("CREATE SCHEMA IF NOT EXISTS records")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS records.migrations "
        "(name text PRIMARY KEY, checksum text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now())"
    )
    ran: dict[str, str] = dict(connection.execute("SELECT name, checksum FROM records.migrations").fetchall())
    done = []
    for path in sorted(files("ledger.records").joinpath("migrations").iterdir(), key=lambda path: path.name):
        sql = path.read_bytes()
        checksum = hashlib.sha256(sql).hexdigest()[:16]
        if path.name not in ran:
            connection.execute(sql)
            connection.execute("INSERT INTO records.migrations (name, checksum) VALUES (%s, %s)", (path.name, checksum))
            done.append(path.name)
        elif ran[path.name] != checksum:
            raise MigrationChanged(path.name)
    return done


def _create_views(connection: psycopg.Connection) -> list[str]:
    found = connection.execute("SELECT to_regnamespace('views') IS NOT NULL").fetchone()
    if not found or not found[0]:
        create_views(connection)
        return ["views"]
    check_views(connection)
    return []


def check_views(connection: psycopg.Connection) -> None:
    """Raises ViewsOutdated when the views are those of another version."""
    stored = connection.execute("SELECT checksum FROM records.migrations WHERE name = 'views'").fetchone()
    if stored is None or stored[0] != VIEWS_VERSION:
        raise ViewsOutdated()
