"""The projection of one worker: it folds each batch in memory and writes it in one fenced transaction.

It is the only writer of its partitions' accounts. Its memory of a partition is valid only while the partition's stored
offset is the expected one; the fence compares them in the transaction that writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import psycopg
from psycopg.errors import UniqueViolation

from ledger.core.account import NO_PURCHASES, Account
from ledger.core.book_versions import Book
from ledger.core.duplicates import is_duplicate
from ledger.core.entry import Fact
from ledger.core.errors import LedgerError, RefusedByDatabase
from ledger.core.fold import purchase_named
from ledger.gate.settlement import count_unheld, settle
from ledger.log.dead_letters import Problem, problem_of
from ledger.log.partitioning import partition_of
from ledger.log.record import Record
from ledger.log.validation import SkippedRecord, fact_of
from ledger.postgres.types import Connection
from ledger.records import outbox
from ledger.settings import Settings
from ledger.views import writing
from ledger.views.dead_letters import write_dead_letters
from ledger.views.writing import EntryWriter
from projectors.batch import Batch
from projectors.messages import dead_letter_message, dead_row, effect_message, forward_message
from projectors.misplaced_warning import MisplacedWarning
from projectors.partition_waits import PartitionWait
from projectors.session import Session
from projectors.transport import Fetch
from schemas.topics import EVENTS

# The fields of an account that few events change; a slice of a tuple costs half of reading them one by one.
_BESIDES_BALANCE = slice(Account._fields.index("package"), Account._fields.index("top_ups") + 1)
# Records are read, folded and written out in chunks whose objects stay in the processor's cache (docs/decisions/0003).
_CHUNK_RECORDS = 500


class FetchGap(LedgerError):
    message = "Records before this fetch have not been folded"


class _MaybeRepeated(Exception):
    """A router's event was refused and its id was not looked up.

    It may repeat an event posted under an earlier book.
    """


@dataclass(slots=True)
class Partition:
    """A partition's state in memory, valid while Postgres has the same `next_offset`.

    `expect_repeats`: the last batch had repeated ids, or events that may repeat others, so ids are looked up before
    COPY.
    """

    number: int
    next_offset: int
    accounts: dict[str, Account] = field(default_factory=dict)
    expect_repeats: bool = False


class Projection:
    """Folds fetches into Postgres. Not thread-safe: one worker, one connection, one batch at a time."""

    def __init__(
        self, settings: Settings, partitions: int, session: Session, misplaced: MisplacedWarning | None = None
    ) -> None:
        self._settings = settings
        self._topic = settings.topic(EVENTS)
        self._key = settings.signing_key()
        self._count = partitions
        self._partitions: dict[int, Partition] = {}
        self._misplaced = misplaced  # None in a refold, which sends no warnings about the past
        self.session = session

    def next_offset(self, number: int) -> int:
        """The next offset to read, from Postgres."""
        self.forget(number)
        return self._partition(number).next_offset

    def forget(self, number: int) -> None:
        """Drops a partition from memory; the next batch loads it again."""
        self._partitions.pop(number, None)

    def disconnect(self) -> None:
        """Drops the connection and the memory: a commit whose response was lost may have happened."""
        self._partitions.clear()
        self.session.close()

    def project(self, number: int, fetch: Fetch, book: Book) -> bool:
        """Folds the new part of a fetch and commits it. Returns whether it put messages into the outbox.

        Raises Fenced, FetchGap, Blocked, or psycopg's OperationalError. Then nothing has changed, or `disconnect` must
        follow.
        """
        partition = self._partition(number)
        if fetch.starts_at > partition.next_offset:
            raise FetchGap(f"{number}: at {partition.next_offset}, the fetch starts at {fetch.starts_at}")
        if fetch.ends_at <= partition.next_offset:
            return False
        records = [record for record in fetch.records if record.offset >= partition.next_offset]
        return self._project(partition, records, fetch.ends_at, book)

    def note_caught_up(self, number: int, log_end: int, asked_ms: int, waiting: PartitionWait | None = None) -> None:
        """Records where the log ended at a time. What is folded up to there is up to date as of that time."""
        # Loads the partition again if the connection was lost: on an idle log no record would cause that.
        self.session.note_caught_up(number, self._partition(number).next_offset, log_end, asked_ms, waiting)

    def folded(self) -> dict[int, int]:
        """The next offset of each partition, as far as it is in memory."""
        return {number: partition.next_offset for number, partition in self._partitions.items()}

    def _project(self, partition: Partition, records: Sequence[Record], ends_at: int, book: Book) -> bool:
        try:
            return self._write(partition, records, ends_at, book)
        except (UniqueViolation, _MaybeRepeated):
            if partition.expect_repeats:
                raise
            partition.expect_repeats = True
            return self._project(partition, records, ends_at, book)  # this time Postgres may refuse data
        except psycopg.DataError as error:
            return self._isolate_refused(partition, records, ends_at, book, error)

    def _isolate_refused(
        self, partition: Partition, records: Sequence[Record], ends_at: int, book: Book, error: psycopg.DataError
    ) -> bool:
        """Finds by halving the record whose data Postgres refuses, and makes it a dead letter."""
        if len(records) == 1:
            problem = problem_of(RefusedByDatabase(error.diag.message_primary or ""))
            return self._write(partition, records, ends_at, book, problem)
        middle = len(records) // 2
        first = self._project(partition, records[:middle], records[middle].offset, book)
        return self._project(partition, records[middle:], ends_at, book) or first

    def _write(
        self,
        partition: Partition,
        records: Sequence[Record],
        ends_at: int,
        book: Book,
        problem: Problem | None = None,
    ) -> bool:
        """Folds and commits records. With `problem`, all of them become dead letters."""
        entries = EntryWriter(partition.number)
        batch = Batch(book, entries.add)
        last = next((record for record in reversed(records) if not isinstance(record, SkippedRecord)), None)
        with self.session.transaction(partition.number, partition.next_offset, ends_at, last) as connection:
            for start in range(0, len(records), _CHUNK_RECORDS):
                self._fold(connection, partition, batch, records[start : start + _CHUNK_RECORDS], problem)
            if not partition.expect_repeats and _refuses_unsigned(batch):
                raise _MaybeRepeated
            messages = self._messages(connection, partition.number, batch)
            entries.write_entries(connection)
            with connection.pipeline():  # one round trip
                entries.write_days(connection)
                _write_accounts(connection, partition, batch)
                writing.write_record_counts(connection, partition.number, batch.record_counts)
                writing.write_quarantine(connection, batch.kept_aside, batch.decided)
                write_dead_letters(connection, self._topic, partition.number, map(dead_row, batch.dead))
                outbox.put(connection, partition.number, messages)
                if self._misplaced is not None:  # a refold does not count again
                    count_unheld(connection, partition.number, batch.unheld_charges, batch.unheld_nanos)
                # Last, because it locks accounts that the gate waits for.
                settle(connection, partition.number, batch.settlements, count=self._misplaced is not None)
        self._remember(partition, ends_at, batch)
        if self._misplaced is not None:
            self._misplaced.note(partition.number, batch.misplaced)
        return bool(messages)

    def _fold(
        self,
        connection: Connection,
        partition: Partition,
        batch: Batch,
        records: Sequence[Record],
        problem: Problem | None,
    ) -> None:
        secrets = self._settings.secrets
        facts_or_problems = [problem or fact_of(record, secrets) for record in records]
        facts = [reading for reading in facts_or_problems if isinstance(reading, Fact)]
        foreign = self._load_accounts(connection, partition, facts)
        _load_purchases(connection, partition, batch, [fact for fact in facts if fact.event.subject not in foreign])
        # Signed events are looked up always, because a repeated purchase, for example, would be refused by its rule and
        # not be recognized as a duplicate; they are rare. The book may refuse today a router's event that it accepted
        # before: then `_write` has the whole batch looked up.
        repeatable = facts if partition.expect_repeats else [fact for fact in facts if fact.key_id is not None]
        batch.posted = writing.find_posted(connection, [fact.event_id for fact in repeatable]) | batch.posted
        batch.fold(records, facts_or_problems, partition.accounts, foreign)

    def _load_accounts(self, connection: Connection, partition: Partition, facts: list[Fact]) -> frozenset[str]:
        """Loads the accounts that the facts name. Returns those that belong to other partitions."""
        unknown = {fact.event.subject for fact in facts} - partition.accounts.keys()
        foreign = {account for account in unknown if partition_of(account.encode(), self._count) != partition.number}
        if unknown - foreign:
            partition.accounts.update(writing.load_accounts(connection, list(unknown - foreign)))
        return frozenset(foreign)

    def _messages(self, connection: Connection, number: int, batch: Batch) -> list[outbox.Message]:
        """The batch's messages; a copy sends none. A misplaced record is forwarded unless an entry with the same
        content exists.

        If its id was used with other content, its own partition rejects it.
        """
        if self._settings.fold_only:
            return []
        posted = writing.find_posted(connection, [misplaced.fact.event_id for misplaced in batch.misplaced])
        return [
            *(effect_message(effect, self._key) for effect in batch.effects),
            *(dead_letter_message(self._topic, number, dead, self._key) for dead in batch.dead),
            *(
                forward_message(self._topic, number, record)
                for record, fact in batch.misplaced
                if not is_duplicate(fact.content, posted.get(fact.identity))
            ),
        ]

    def _remember(self, partition: Partition, next_offset: int, batch: Batch) -> None:
        """Keeps the committed batch in memory, within its bound.

        Purchases are loaded again when an event names them.
        """
        partition.next_offset = next_offset
        repeated = any(outcome == "duplicate" for _, outcome in batch.record_counts)
        partition.expect_repeats = repeated or _refuses_unsigned(batch)
        accounts = partition.accounts
        for account_id, account in batch.accounts.items():
            accounts[account_id] = account._replace(purchases=NO_PURCHASES) if account.purchases else account
        for account_id in list(islice(accounts, max(0, len(accounts) - self._settings.account_cache))):
            del accounts[account_id]

    def _partition(self, number: int) -> Partition:
        partition = self._partitions.get(number)
        if partition is None:
            partition = self._partitions[number] = Partition(number, self.session.next_offset(number))
        return partition


def _refuses_unsigned(batch: Batch) -> bool:
    return any(dead.fact is not None and dead.fact.key_id is None for dead in batch.dead)


def _load_purchases(connection: Connection, partition: Partition, batch: Batch, facts: list[Fact]) -> None:
    """Adds the purchases that facts name to the accounts. A purchase that the batch already has is newer and stays."""
    signed = (fact.event for fact in facts if fact.key_id is not None)  # a router's events name no purchase
    named = [(event.subject, purchase) for event in signed if (purchase := purchase_named(event))]
    if not named:
        return
    for account_id, found in writing.load_purchases(connection, named).items():
        account = batch.accounts.get(account_id) or partition.accounts[account_id]
        batch.accounts[account_id] = account._replace(purchases={**found, **account.purchases})


def _write_accounts(connection: Connection, partition: Partition, batch: Batch) -> None:
    accounts = sorted(batch.accounts.values())
    if accounts:
        before = partition.accounts
        writing.write_balances(connection, partition.number, accounts)
        new = [account for account in accounts if _is_new(account, before.get(account.account_id))]
        writing.write_accounts(connection, partition.number, new)
        writing.write_purchases(connection, accounts)


def _is_new(after: Account, before: Account | None) -> bool:
    """Whether something other than the balance changed."""
    return before is None or after[_BESIDES_BALANCE] != before[_BESIDES_BALANCE]
