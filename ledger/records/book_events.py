"""Every event of the book that was used in a fold: stored before its first use, in case the book's topic is lost.

A book that lacks such an event, or has another one in its place, would answer old events differently. No process folds
with it.
"""

from collections.abc import Sequence

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.book import BookLost, StatedEvent
from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "book_events.sql")


class BookDiffers(LedgerError, exit_code=EXIT_CONFIG):
    message = "The book's topic has another event than the one that was folded by; is it another ledger's?"


def keep(connection: Connection, stated: Sequence[StatedEvent], age_seconds: float = 0) -> None:
    """Keeps these events, the whole book as it was so long ago.

    Raises BookLost or BookDiffers; then it must not be folded by.
    """
    with connection.transaction():
        note(connection, stated)
        if missing := lost(kept(connection, age_seconds), stated):
            raise BookLost(f"event {', '.join(str(event.number) for event in missing)}")


def note(connection: Connection, stated: Sequence[StatedEvent]) -> None:
    """Keeps those of them whose number is new."""
    connection.cursor().executemany(SQL["keep"], [event._asdict() for event in stated])


def kept(connection: Connection, age_seconds: float = 0) -> list[StatedEvent]:
    """All that were kept until so long ago, oldest first: what another process kept since then may be newer."""
    return [StatedEvent(*row) for row in connection.execute(SQL["kept"], {"age_seconds": age_seconds})]


def lost(kept: Sequence[StatedEvent], stated: Sequence[StatedEvent]) -> list[StatedEvent]:
    """The kept events that the topic lacks. Raises BookDiffers when it has another one instead."""
    there = {event.number: event for event in stated}
    different = [each.number for each in kept if there.get(each.number, each) != each]
    if different:
        raise BookDiffers(f"event {different[0]}")
    return [each for each in kept if each.number not in there]
