"""The projection of one worker: each batch is folded in memory and written in one fenced transaction.

It is the only writer of its partitions' accounts. What it remembers of a partition is true exactly as long as the
partition's stored offset is the one that it expects; the fence compares them in the same transaction that writes.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import psycopg
from psycopg.errors import LockNotAvailable, UniqueViolation

from ledger.core.account import NO_PURCHASES, Account
from ledger.core.book import Book
from ledger.core.entry import Fact
from ledger.core.errors import LedgerError
from ledger.core.fold import purchase_named
from ledger.log.partitioning import partition_of
from ledger.log.reading import Problem, fact_of
from ledger.records import outbox
from ledger.settings import Settings
from ledger.views import writing
from ledger.views.dead_letters import write_dead_letters
from ledger.views.writing import SQL
from projectors import batch as batches
from projectors.batch import Batch, Identity, Reading
from projectors.fingerprint import fingerprint
from projectors.messages import dead_letter_message, dead_row, effect_message, forward_message
from projectors.transport import Fetch
from schemas.topics import EVENTS

_LOCK_NAMESPACE = 0x1ED6E5


class Fenced(LedgerError):
    """Another worker has folded this partition in the meantime."""


class Gap(LedgerError):
    """Records before this fetch have not been folded."""


class Blocked(LedgerError):
    """Another writer is in the middle of a batch of this partition."""


@dataclass(slots=True)
class Partition:
    """What this worker remembers of a partition, true while Postgres says that `next_offset` is to be folded next.

    `expect_duplicates`: the last batch had some, so that it is worth looking ids up before the COPY finds out.
    """

    next_offset: int
    accounts: dict[str, Account] = field(default_factory=dict)
    expect_duplicates: bool = False


class Projection:
    """Folds fetches into Postgres. Not thread-safe: one worker, one connection, one batch at a time."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self._settings = settings
        self._topic = settings.topic(EVENTS)
        self._key = settings.signing_key()
        self._count = partitions
        self._partitions: dict[int, Partition] = {}
        self._connection: psycopg.Connection[Any] | None = None

    def next_offset(self, partition: int) -> int:
        """Where the partition is to be read from, as Postgres has it."""
        self.forget(partition)
        return self._partition(partition).next_offset

    def forget(self, partition: int) -> None:
        """Drops what is remembered of a partition; the next batch reads it again."""
        self._partitions.pop(partition, None)

    def disconnect(self) -> None:
        """Drops the connection and all that is remembered: a commit whose answer was lost may have happened."""
        self._partitions.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def project(self, number: int, fetch: Fetch, book: Book) -> bool:
        """Folds what of a fetch has not been folded yet, and commits it; whether anything is in the outbox for it.

        Raises Fenced, Gap, Blocked, or psycopg's OperationalError; then nothing has changed, or `disconnect` is due.
        """
        partition = self._partition(number)
        if fetch.starts_at > partition.next_offset:
            raise Gap(f"{number}: at {partition.next_offset}, the fetch starts at {fetch.starts_at}")
        readings = [
            Reading(record, fact_of(record, self._settings.secrets))
            for record in fetch.records
            if record.offset >= partition.next_offset
        ]
        return self._project(number, partition, readings, book) if readings else False

    def note_caught_up(self, number: int, log_end: int, asked_ms: int) -> None:
        """Notes where the log ended at a moment; what is folded up to there is true up to that moment."""
        partition = self._partitions.get(number)
        if partition is not None:
            parameters = {"partition": number, "log_end": log_end, "asked_ms": asked_ms}
            self._connect().execute(SQL["note_caught_up"], {**parameters, "expected": partition.next_offset})

    def lag(self, number: int, log_end: int) -> int:
        """Records of a partition that are not folded yet."""
        partition = self._partitions.get(number)
        return log_end - partition.next_offset if partition else 0

    def _project(self, number: int, partition: Partition, readings: list[Reading], book: Book) -> bool:
        try:
            return self._write(number, partition, readings, book, self._known(partition, readings))
        except UniqueViolation:
            if partition.expect_duplicates:
                raise
            partition.expect_duplicates = True
            return self._project(number, partition, readings, book)  # which may find data that Postgres refuses
        except psycopg.DataError as error:
            return self._narrow(number, partition, readings, book, error)

    def _narrow(
        self, number: int, partition: Partition, readings: list[Reading], book: Book, error: psycopg.DataError
    ) -> bool:
        """Finds the record whose data Postgres refuses, half by half, and makes it a dead letter."""
        if len(readings) == 1:
            problem = Problem("refused_by_database", f"Postgres refuses it: {error.diag.message_primary}")
            return self._write(number, partition, [Reading(readings[0].record, problem)], book, {})
        middle = len(readings) // 2
        first = self._project(number, partition, readings[:middle], book)
        return self._project(number, partition, readings[middle:], book) or first

    def _known(self, partition: Partition, readings: list[Reading]) -> dict[Identity, str]:
        if not partition.expect_duplicates:
            return {}
        ids = [reading.fact.event_id for reading in readings if isinstance(reading.fact, Fact)]
        return writing.find_posted(self._connect(), ids)

    def _write(
        self, number: int, partition: Partition, readings: list[Reading], book: Book, known: dict[Identity, str]
    ) -> bool:
        with self._transaction(number) as connection:
            facts = [reading.fact for reading in readings if isinstance(reading.fact, Fact)]
            elsewhere = self._load_accounts(connection, number, partition, facts)
            accounts = _with_purchases(connection, partition.accounts, facts)
            batch = batches.fold(readings, accounts, known, elsewhere, book)
            self._advance(connection, number, partition, readings)
            _write_views(connection, number, batch, partition.accounts)
            write_dead_letters(connection, self._topic, number, map(dead_row, batch.dead))
            messages = self._messages(connection, number, batch)
            outbox.put(connection, number, messages)
        self._remember(partition, readings, batch)
        partition.expect_duplicates = any(outcome == "duplicate" for _, outcome in batch.tallies)
        return bool(messages)

    @contextmanager
    def _transaction(self, number: int) -> Iterator[psycopg.Connection[Any]]:
        connection = self._connect()
        with connection.transaction():
            try:
                connection.execute(SQL["lock_partition"], {"namespace": _LOCK_NAMESPACE, "partition": number})
            except LockNotAvailable as error:
                raise Blocked(str(number)) from error
            yield connection

    def terminate_blockers(self, number: int) -> list[int]:
        """Ends the sessions of writers that hold the partition for too long: a stopped process keeps its locks."""
        connection = self._connect()
        parameters = {"namespace": _LOCK_NAMESPACE, "partition": number, "seconds": self._settings.lock_seconds}
        blockers = [pid for (pid,) in connection.execute(SQL["find_blockers"], parameters)]
        for pid in blockers:
            connection.execute(SQL["terminate"], {"pid": pid})
        return blockers

    def _load_accounts(
        self, connection: psycopg.Connection[Any], number: int, partition: Partition, facts: list[Fact]
    ) -> frozenset[str]:
        """Brings the accounts that the facts name into memory; returns those that belong to other partitions."""
        unknown = {fact.event.subject for fact in facts} - partition.accounts.keys()
        elsewhere = {account for account in unknown if partition_of(account.encode(), self._count) != number}
        if unknown - elsewhere:
            partition.accounts.update(writing.load_accounts(connection, list(unknown - elsewhere)))
        return frozenset(elsewhere)

    def _advance(
        self, connection: psycopg.Connection[Any], number: int, partition: Partition, readings: list[Reading]
    ) -> None:
        last = readings[-1].record
        advanced = connection.execute(
            SQL["advance_progress"],
            {
                "partition": number,
                "expected": partition.next_offset,
                "next_offset": last.offset + 1,
                "last_offset": last.offset,
                "last_record": fingerprint(last),
                "through_ms": last.timestamp,
            },
        )
        if advanced.rowcount == 0:
            raise Fenced(str(number))

    def _messages(self, connection: psycopg.Connection[Any], number: int, batch: Batch) -> list[outbox.Message]:
        """What the batch says. A misplaced record goes on unless just this is posted; its home refuses a reused id."""
        there = writing.find_posted(connection, [misplaced.fact.event_id for misplaced in batch.misplaced])
        return [
            *(effect_message(effect, self._key) for effect in batch.effects),
            *(dead_letter_message(self._topic, number, dead, self._key) for dead in batch.dead),
            *(
                forward_message(self._topic, number, record)
                for record, fact in batch.misplaced
                if there.get(fact.identity) != fact.content
            ),
        ]

    def _remember(self, partition: Partition, readings: list[Reading], batch: Batch) -> None:
        """Makes the committed batch the state in memory, within its bound; purchases are read again when named."""
        partition.next_offset = readings[-1].record.offset + 1
        accounts = partition.accounts
        for account_id, account in batch.accounts.items():
            accounts[account_id] = account._replace(purchases=NO_PURCHASES) if account.purchases else account
        for account_id in list(islice(accounts, max(0, len(accounts) - self._settings.account_cache))):
            del accounts[account_id]

    def _partition(self, number: int) -> Partition:
        known = self._partitions.get(number)
        if known is None:
            row = self._connect().execute(SQL["load_progress"], {"partition": number}).fetchone()
            if row is None:
                raise Fenced(f"{number}: no progress is stored")
            known = self._partitions[number] = Partition(row[0])
        return known

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._settings.database, autocommit=True, application_name="ledger-projector", connect_timeout=5
            )
            self._connection.execute(f"SET lock_timeout = '{int(self._settings.lock_seconds * 1000)}ms'")
        return self._connection


def _with_purchases(
    connection: psycopg.Connection[Any], accounts: dict[str, Account], facts: list[Fact]
) -> Mapping[str, Account]:
    """The accounts, those of them with the purchases that facts name; memory keeps none."""
    named = [(fact.event.subject, purchase) for fact in facts if (purchase := purchase_named(fact.event))]
    if not named:
        return accounts
    loaded = writing.load_purchases(connection, named)
    return ChainMap({name: accounts[name]._replace(purchases=found) for name, found in loaded.items()}, accounts)


def _write_views(connection: psycopg.Connection[Any], number: int, batch: Batch, before: dict[str, Account]) -> None:
    accounts = list(batch.accounts.values())
    writing.write_entries(connection, number, ((posted.entry, posted.record.offset) for posted in batch.posted))
    if accounts:
        writing.write_balances(connection, number, accounts)
        writing.write_accounts(connection, number, [a for a in accounts if _is_new(a, before.get(a.account_id))])
        writing.write_purchases(connection, accounts)
    writing.write_usage_days(connection, (posted.entry for posted in batch.posted))
    writing.write_tallies(connection, number, batch.tallies)


def _is_new(after: Account, before: Account | None) -> bool:
    """Whether anything but the balance changed; untouched parts are the same objects."""
    return before is None or after[5:10] != before[5:10]
