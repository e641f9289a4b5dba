"""A ledger with a past: records with append times of any month, which no broker gives today, through the projection.

Only Kafka is left out: what folds them and writes them to Postgres is the worker's own code.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import psycopg

from ledger.core.book_versions import Book
from ledger.core.calendar import ms_of
from ledger.dev.first_book import first_book
from ledger.settings import Settings
from projectors.misplaced_warning import MisplacedWarning
from projectors.projection import Projection
from projectors.session import Session
from projectors.transport import Fetch
from tests.support.events import ROUTER_TYPES, Event, json_bytes

PARTITION = 0


class PastRecord(NamedTuple):
    """A record of `ledger.events` as a Kafka client has it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Past:
    """One partition, folded batch by batch. `settings`: of a migrated ledger that no worker projects."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.signing_key()
        self._projection = Projection(settings, 1, Session(settings), MisplacedWarning())
        self.book = Book().with_version(first_book(settings.signing_key_id), 0)
        self._next_offset = 0
        with psycopg.connect(settings.database) as connection:
            connection.execute("INSERT INTO views.progress (partition, next_offset) VALUES (%s, 0)", (PARTITION,))

    def happened(self, events: Iterable[tuple[int, Event]]) -> None:
        """Folds events, each with its log time in milliseconds; none of them may be a dead letter."""
        records = [self._record(number, *each) for number, each in enumerate(events, self._next_offset)]
        self._projection.project(
            PARTITION, Fetch(self._next_offset, self._next_offset + len(records), records, False), self.book
        )
        self._next_offset += len(records)
        dead = self._projection.session.connection().execute("SELECT type, reason FROM views.dead_letters").fetchall()
        assert not dead, dead

    def nothing_more_until(self, moment_ms: int) -> None:
        """Says that the log had ended at this moment."""
        self._projection.note_caught_up(PARTITION, self._next_offset, moment_ms)

    def close(self) -> None:
        self._projection.disconnect()

    def _record(self, offset: int, time_ms: int, event: Event) -> PastRecord:
        value = json_bytes(event)
        headers = [] if event["type"] in ROUTER_TYPES else [self._key.header(value)]
        return PastRecord(offset, time_ms, event["subject"].encode(), value, headers)


def at(text: str) -> int:
    """The log time of an ISO moment."""
    return ms_of(datetime.fromisoformat(text))
