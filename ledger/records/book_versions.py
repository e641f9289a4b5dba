"""Every version of the book that was used in a fold: stored before its first use, in case the book's topic is lost.

A book that lacks such a version, or has another one in its place, would answer old events differently. No process folds
with it.
"""

from collections.abc import Sequence

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.book import BookLost, StatedVersion
from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "book_versions.sql")


class BookDiffers(LedgerError, exit_code=EXIT_CONFIG):
    message = "The book's topic has another version than the one that events were folded by; is it another ledger's?"


def keep(connection: Connection, stated: Sequence[StatedVersion], age_seconds: float = 0) -> None:
    """Keeps these versions, which are the whole book as it was `age_seconds` ago.

    Raises BookLost or BookDiffers: then nothing may be folded by this book.
    """
    with connection.transaction():
        note(connection, stated)
        if missing := lost(kept(connection, age_seconds), stated):
            raise BookLost(f"version {', '.join(str(version.number) for version in missing)}")


def note(connection: Connection, stated: Sequence[StatedVersion]) -> None:
    """Keeps the versions whose numbers are new."""
    connection.cursor().executemany(SQL["keep"], [version._asdict() for version in stated])


def kept(connection: Connection, age_seconds: float = 0) -> list[StatedVersion]:
    """The versions that were kept more than `age_seconds` ago, oldest first. Other processes may keep newer ones."""
    return [StatedVersion(*row) for row in connection.execute(SQL["kept"], {"age_seconds": age_seconds})]


def lost(kept: Sequence[StatedVersion], stated: Sequence[StatedVersion]) -> list[StatedVersion]:
    """The kept versions that the topic lacks. Raises BookDiffers when it has another version of the same number."""
    there = {version.number: version for version in stated}
    different = [each.number for each in kept if there.get(each.number, each) != each]
    if different:
        raise BookDiffers(f"version {different[0]}", field="version")
    return [each for each in kept if each.number not in there]
