"""An account's state at any past time: its partition is folded again in memory, by the projector's own rules.

Only records with the account's key can change it, so all others are skipped. Memory grows with the number of the
account's own events, because their ids are kept to recognize duplicates.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.core.account import Account
from ledger.core.book_versions import Book
from ledger.core.calendar import moment_of, ms_of
from ledger.core.entry import Entry
from ledger.core.errors import LedgerError
from ledger.log.partitioning import partition_of
from ledger.log.record import Record, log_time_ms
from ledger.log.topics import TopicMissing
from ledger.log.validation import fact_of
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.records.skips import Skip, skips
from ledger.settings import Settings
from ledger.views.account_state import LAST_ENTRIES, AccountState, LastEntry, NoSuchAccount, refused_by_database
from projectors.batch import Batch
from projectors.log_reading import ends, fetches, whole_book
from projectors.refold import Progress
from schemas.topics import EVENTS


class OffsetAhead(LedgerError):
    message = "The log does not reach this offset yet"


class Until(NamedTuple):
    """The last offset of the account's partition, or the last log time, to fold. Exactly one of them is set."""

    offset: int | None = None
    time_ms: int | None = None


class _Log(NamedTuple):
    """What to read: the partition up to `end`, the records that Postgres refused, and the skips."""

    partition: int
    end: int
    refused: frozenset[int]
    skips: Sequence[Skip]


def state_at(settings: Settings, account_id: str, until: Until, progress: Progress) -> AccountState:
    """The account's state. Raises NoSuchAccount if it had no entry yet, OffsetAhead, or KafkaUnreachable."""
    log = _log_of(settings, account_id, until)
    asked_ms = ms_of(datetime.now(UTC))
    account_fold = AccountFold(account_id, whole_book(settings).book, settings.secrets, until, log.refused)
    progress.begin("Folding the log", log.end)
    next_offset, through_ms = asyncio.run(_fold_log(settings, log, account_fold, progress))
    if account_fold.account is None:
        raise NoSuchAccount(f"{account_id} at that moment")
    if until.time_ms is not None:
        through_ms = min(until.time_ms, asked_ms)
    return AccountState(
        account_fold.account, tuple(reversed(account_fold.last)), log.partition, next_offset, moment_of(through_ms)
    )


def _log_of(settings: Settings, account_id: str, until: Until) -> _Log:
    topic = settings.topic(EVENTS)
    with connect(settings.database, COMMAND) as connection:
        row = connection.execute("SELECT partitions FROM records.topics WHERE name = %s", (topic,)).fetchone()
        if row is None:
            raise TopicMissing(topic)
        partition = partition_of(account_id.encode(), row[0])
        refused = refused_by_database(connection, topic, partition)
        skipped = skips(connection, topic).get(partition, ())
    end = ends(settings, row[0])[partition]
    if until.offset is not None and until.offset >= end:
        raise OffsetAhead(f"{topic}/{partition} ends at {end}", field="--at")
    return _Log(partition, end if until.offset is None else until.offset + 1, refused, skipped)


async def _fold_log(settings: Settings, log: _Log, account_fold: "AccountFold", progress: Progress) -> tuple[int, int]:
    """Reads as far as necessary. Returns the offset after the last record that counts, and its log time."""
    next_offset = through_ms = 0
    async with aclosing(fetches(settings, log.partition, 0, log.end, log.skips)) as reading:
        async for fetch in reading:
            for record in fetch.records:
                if not account_fold.fold(record):
                    return next_offset, through_ms
                next_offset, through_ms = record.offset + 1, log_time_ms(record)
            progress.reach(next_offset)
    return next_offset, through_ms


class AccountFold:
    """Folds a partition's records in order and keeps one account's state."""

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

    def fold(self, record: Record) -> bool:
        """Folds a record of the account. False, with nothing changed, if it lies after the requested time."""
        if record.key != self._key or record.offset in self._refused:
            return True
        self._batch.fold([record], [fact_of(record, self._secrets)], {})
        for entry, offset in self._posted:
            # The entry's time counts: an account's time never goes back, but the broker's clock may.
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
