"""One batch of records folded in memory: what it posts, what it ignores, what it refuses, what it sends elsewhere.

Pure: the same records over the same accounts give the same batch, and where a batch begins or ends changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ledger.core.account import Account
from ledger.core.book import Book
from ledger.core.duplicates import Identity, is_duplicate
from ledger.core.entry import Entry, Fact
from ledger.core.errors import IdReused, Refused
from ledger.core.fold import apply
from ledger.gate.settlement import Settlement
from ledger.log.validation import Problem, Record, problem_of
from schemas.effects import Effect
from schemas.events import UsageRecorded
from schemas.identity import is_uuid

REUSED = problem_of(IdReused(field="id"))


class Dead(NamedTuple):
    """A record that could not be applied, the fact that it states if it could be read, and the reason."""

    record: Record
    fact: Fact | None
    problem: Problem


class Misplaced(NamedTuple):
    """A record in another partition than its key's, and the fact that it states."""

    record: Record
    fact: Fact


@dataclass(slots=True)
class Batch:
    """What the records folded so far come to. Each entry goes to `post` with its offset, and is not kept.

    `accounts`: those that changed, as they are now. `known`: the content of every fact that has an entry, by identity,
    as far as it was looked up or posted here.
    """

    book: Book
    post: Callable[[Entry, int], None]
    accounts: dict[str, Account] = field(default_factory=dict)
    known: dict[Identity, str] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    misplaced: list[Misplaced] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    unheld_charges: int = 0
    unheld_nanos: int = 0
    record_counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def fold(
        self,
        records: Sequence[Record],
        readings: Sequence[Fact | Problem],
        before: Mapping[str, Account],
        elsewhere: frozenset[str] = frozenset(),
    ) -> None:
        """Folds records in their order; `readings` are what each of them states, or what is wrong with it.

        `before`: the accounts that the readings name and that have a state, as they are without this batch.
        `elsewhere`: accounts of other partitions.
        """
        for record, fact in zip(records, readings, strict=True):
            if isinstance(fact, Problem):
                self._refuse(Dead(record, None, fact))
            elif fact.event.subject in elsewhere:
                self.misplaced.append(Misplaced(record, fact))
                self.record_counts[fact.event.type, "forwarded"] += 1
            else:
                self._fold(record, fact, before)

    def _fold(self, record: Record, fact: Fact, before: Mapping[str, Account]) -> None:
        event = fact.event
        subject = event.subject
        identity = (subject, fact.key_id is not None, fact.event_id)
        content = self.known.get(identity)
        if content is not None:
            self._repeat(record, fact, content)
            return
        account = self.accounts.get(subject) or before.get(subject) or Account(subject)
        try:
            after, entry, effects = apply(account, fact, record.timestamp, self.book)
        except Refused as refused:
            self._refuse(Dead(record, fact, problem_of(refused)))
            return
        self.known[identity] = fact.content
        self.accounts[subject] = after
        self.post(entry, record.offset)
        if event.type == "usage.recorded" or event.type == "trace.recorded":
            self._cover(fact, entry)
        self.record_counts[event.type, "posted"] += 1
        if effects:
            self.effects += effects

    def _cover(self, fact: Fact, entry: Entry) -> None:
        """Notes the hold that a charge names, or that it names none. A router's own name for something is none."""
        event, charge = fact.event, -entry.amount
        named = event.data.authorization_id if isinstance(event, UsageRecorded) else None
        if named is not None and is_uuid(named):
            self.settlements.append(Settlement(named.lower(), event.subject, fact.event_id, charge))
        elif charge:
            self.unheld_charges += 1
            self.unheld_nanos += charge

    def _repeat(self, record: Record, fact: Fact, posted: str) -> None:
        if is_duplicate(fact.content, posted):
            self.record_counts[fact.event.type, "duplicate"] += 1
        else:
            self._refuse(Dead(record, fact, REUSED))

    def _refuse(self, dead: Dead) -> None:
        self.dead.append(dead)
        self.record_counts[dead.fact.event.type if dead.fact else "unreadable", "dead_letter"] += 1
