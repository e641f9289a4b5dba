"""An account at any moment of the past: its partition folded again in memory, exactly as the projector folds it.

Only records under the account's key can change it, so all others are passed over unread. Memory grows with the number
of the account's own events, whose ids are remembered to know a duplicate.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.core.account import Account
from ledger.core.book import Book
from ledger.core.calendar import moment_of, ms_of
from ledger.core.entry import Entry
from ledger.core.errors import LedgerError
from ledger.log.partitioning import partition_of
from ledger.log.topics import TopicMissing
from ledger.log.validation import Record, fact_of, log_time_ms
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.records.skips import Skip, skips
from ledger.settings import Settings
from ledger.views.account_state import LAST_ENTRIES, AccountState, LastEntry, NoSuchAccount, refused_by_database
from projectors.batch import Batch
from projectors.refolding import Watch
from projectors.replay import ends, fetches, whole_book
from schemas.topics import EVENTS


class OffsetAhead(LedgerError):
    message = "The log does not reach this offset yet"


class Until(NamedTuple):
    """Up to and including an offset of the account's partition, or a log time; one of them."""

    offset: int | None = None
    time_ms: int | None = None


class _Log(NamedTuple):
    """What has to be read, and what has to be known about it: where Postgres refused a record."""

    partition: int
    end: int
    refused: frozenset[int]
    skips: Sequence[Skip]


def state_at(settings: Settings, account_id: str, until: Until, watch: Watch) -> AccountState:
    """Where an account stood. Raises NoSuchAccount when it had no entry yet, OffsetAhead, or LogAway."""
    log = _log_of(settings, account_id, until)
    asked_ms = ms_of(datetime.now(UTC))
    traveller = Traveller(account_id, whole_book(settings).book, settings.secrets, until, log.refused)
    watch.begin("Folding the log", log.end)
    next_offset, through_ms = asyncio.run(_travel(settings, log, traveller, watch))
    if traveller.account is None:
        raise NoSuchAccount(f"{account_id} at that moment")
    if until.time_ms is not None:
        through_ms = min(until.time_ms, asked_ms)
    return AccountState(
        traveller.account, tuple(reversed(traveller.last)), log.partition, next_offset, moment_of(through_ms)
    )


def _log_of(settings: Settings, account_id: str, until: Until) -> _Log:
    topic = settings.topic(EVENTS)
    with connect(settings.database, COMMAND) as connection:
        row = connection.execute("SELECT partitions FROM records.topics WHERE name = %s", (topic,)).fetchone()
        if row is None:
            raise TopicMissing(topic)
        partition = partition_of(account_id.encode(), row[0])
        refused = refused_by_database(connection, topic, partition)
        passed_over = skips(connection, topic).get(partition, ())
    end = ends(settings, row[0])[partition]
    if until.offset is not None and until.offset >= end:
        raise OffsetAhead(f"{topic}/{partition} ends at {end}", field="--at")
    return _Log(partition, end if until.offset is None else until.offset + 1, refused, passed_over)


async def _travel(settings: Settings, log: _Log, traveller: "Traveller", watch: Watch) -> tuple[int, int]:
    """Reads as far as it has to; the offset behind the last record that counts, and when that was appended."""
    next_offset = through_ms = 0
    async with aclosing(fetches(settings, log.partition, 0, log.end, log.skips)) as reading:
        async for fetch in reading:
            for record in fetch.records:
                if not traveller.take(record):
                    return next_offset, through_ms
                next_offset, through_ms = record.offset + 1, log_time_ms(record)
            watch.reach(next_offset)
    return next_offset, through_ms


class Traveller:
    """Takes the records of a partition in their order and keeps one account's state."""

    def __init__(
        self, account_id: str, book: Book, secrets: dict[str, bytes], until: Until, refused: frozenset[int]
    ) -> None:
        self.account: Account | None = None
        self.last: deque[LastEntry] = deque(maxlen=LAST_ENTRIES)
        self._account_id, self._key = account_id, account_id.encode()
        self._secrets, self._refused = secrets, refused
        self._time_ms = until.time_ms
        self._batch = Batch(book, self._post)
        self._posted: list[tuple[Entry, int]] = []

    def take(self, record: Record) -> bool:
        """Folds the record if it is the account's own; False, and nothing is changed, when it lies after the moment."""
        if record.key != self._key or record.offset in self._refused:
            return True
        self._batch.fold([record], [fact_of(record, self._secrets)], {})
        for entry, offset in self._posted:
            # An account's own time never runs backwards, the broker's clock may: what counts is the entry's.
            if self._time_ms is not None and entry.log_time_ms > self._time_ms:
                return False
            self.last.append(_last(entry, offset))
            self.account = self._batch.accounts[self._account_id]
        self._posted.clear()
        return True

    def _post(self, entry: Entry, offset: int) -> None:
        self._posted.append((entry, offset))


def _last(entry: Entry, offset: int) -> LastEntry:
    event = entry.fact.event
    return LastEntry(
        entry.fact.event_id, event.type, moment_of(entry.log_time_ms), entry.amount, entry.balance_after, offset
    )
