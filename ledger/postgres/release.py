"""Whether a database is of this program's release: `records` has exactly its migrations, `views` its version.

Two releases side by side would misread what the other one writes. So every connection is checked when it is made, those
of pools again when they are handed out, and a worker's in each of its transactions. A migration locks the table that is
read here until it has ended: a check waits for it, and then sees what has changed.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from psycopg.errors import InvalidSchemaName, UndefinedColumn, UndefinedFunction, UndefinedTable

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.postgres.types import AsyncConnection, Connection

VIEWS = "views"
VIEWS_BEFORE = "views_before"  # those that a rebuild has not replaced yet
RAN = b"SELECT name, checksum FROM records.migrations"
# The errors of statements in a database of another release.
WRONG_SHAPE = (UndefinedTable, UndefinedColumn, UndefinedFunction, InvalidSchemaName)
_COMMENT = re.compile(r"--[^\n]*")
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (\w+) ON views\.")


class OtherRelease(LedgerError, exit_code=EXIT_CONFIG):
    message = "Database and program are of different versions: run `ledger migrate`, or update this program"


class NotMigrated(OtherRelease):
    message = "The database lacks the ledger's tables; run `ledger migrate`"


class DatabaseOlder(OtherRelease):
    message = "The database is of an older version; run `ledger migrate`"


class DatabaseNewer(OtherRelease):
    message = "The database is of a newer version; update this program"


class MigrationChanged(OtherRelease):
    message = "A migration that ran is another one in this program; database and program are of different versions"


class ViewsOutdated(OtherRelease):
    message = "The views were folded by another version of this program; run `ledger rebuild`"


@cache
def migrations() -> dict[str, bytes]:
    """The migrations of this program, by name, in their order."""
    folder = files("ledger.records").joinpath("migrations")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir(), key=lambda path: path.name)}


def checksum(text: bytes) -> str:
    """The checksum that is stored of a migration that ran."""
    return hashlib.sha256(text).hexdigest()[:16]


@cache
def views_statements() -> tuple[str, ...]:
    """What makes the tables of `views` and its view of postings."""
    return tuple(statement for statement in _statements() if not _INDEX.match(statement))


@cache
def views_indexes() -> dict[str, str]:
    """What makes each index of `views`, by its name. They change no answer, so they come and go without a rebuild."""
    return {match[1]: statement for statement in _statements() if (match := _INDEX.match(statement))}


@cache
def views_version() -> str:
    """The version of `views`: it follows from tables, columns, constraints and postings, not from their layout."""
    return checksum("\n".join(map(_plain, views_statements())).encode())


def _statements() -> list[str]:
    schema = files("ledger.views").joinpath("schema.sql").read_text(encoding="utf-8")
    parts = _COMMENT.sub("", schema).split(";")
    return [" ".join(part.split()) for part in parts if part.strip()]


def _plain(statement: str) -> str:
    """Without the spaces that mean nothing."""
    return re.sub(r" ?([(),]) ?", r"\1", statement)


def difference(ran: Iterable[tuple[str, str]], *, with_views: bool = True) -> OtherRelease | None:
    """How a database in which this ran differs from this program; None when it does not.

    `with_views`: False if the views may be of another version, as they are before a rebuild.
    """
    found = dict(ran)
    views = found.pop(VIEWS, None)
    found.pop(VIEWS_BEFORE, None)
    ours = _checksums()
    if unknown := sorted(found.keys() - ours.keys()):
        return DatabaseNewer(f"it has {', '.join(unknown)}")
    if changed := [name for name in found if found[name] != ours[name]]:
        return MigrationChanged(", ".join(sorted(changed)))
    if not found:
        return NotMigrated()
    if missing := sorted(ours.keys() - found.keys()):
        return DatabaseOlder(f"it lacks {', '.join(missing)}")
    return None if views == views_version() or not with_views else ViewsOutdated()


@cache
def _checksums() -> dict[str, str]:
    return {name: checksum(text) for name, text in migrations().items()}


def check(connection: Connection, *, with_views: bool = True) -> None:
    """Raises the OtherRelease that the database is of."""
    try:
        found = difference(connection.execute(RAN).fetchall(), with_views=with_views)
    except WRONG_SHAPE:
        found = NotMigrated()
    if found:
        raise found


async def check_async(connection: AsyncConnection, *, with_views: bool = True) -> None:
    """`check` for asyncio."""
    try:
        found = difference(await (await connection.execute(RAN)).fetchall(), with_views=with_views)
    except WRONG_SHAPE:
        found = NotMigrated()
    if found:
        raise found
