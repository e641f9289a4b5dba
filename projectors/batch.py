"""One batch of records, folded in memory: its entries, duplicates, dead letters, effects and misplaced records.

Pure: the same records and accounts always give the same batch, and the borders between batches change nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ledger.core.account import Account
from ledger.core.book_versions import Book
from ledger.core.calendar import moment_of
from ledger.core.duplicates import Identity, is_duplicate
from ledger.core.entry import Entry, Fact
from ledger.core.errors import IdReused, Refused
from ledger.core.fold import apply
from ledger.gate.settlement import Settlement
from ledger.log.dead_letters import Problem, problem_of
from ledger.log.record import Record
from schemas.effects import Effect, UsageQuarantined
from schemas.events import UsageAccepted, UsageDropped, UsageRecorded
from schemas.identity import is_uuid
from schemas.money import parse_nanos
from schemas.states import RecordOutcome

_CHARGES = frozenset({"usage.recorded", "usage.accepted", "trace.recorded"})
ID_REUSED = problem_of(IdReused(field="id"))


class DeadRecord(NamedTuple):
    """A record that could not be applied, its fact if it could be read, and the reason."""

    record: Record
    fact: Fact | None
    problem: Problem


class MisplacedRecord(NamedTuple):
    """A record that is not in its key's partition, and its fact."""

    record: Record
    fact: Fact


@dataclass(slots=True)
class Batch:
    """The result of the records folded so far. Each entry is passed to `post` with its offset, and not stored.

    `accounts`: the changed accounts, in their new state. `posted`: the content of each fact that has an entry, by
    identity, if it was looked up or posted here.
    """

    book: Book
    post: Callable[[Entry, int], None]
    accounts: dict[str, Account] = field(default_factory=dict)
    posted: dict[Identity, str] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    dead: list[DeadRecord] = field(default_factory=list)
    misplaced: list[MisplacedRecord] = field(default_factory=list)
    kept_aside: list[dict[str, Any]] = field(default_factory=list)
    decided: list[dict[str, Any]] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    unheld_charges: int = 0
    unheld_nanos: int = 0
    record_counts: Counter[tuple[str, RecordOutcome]] = field(default_factory=Counter)

    def fold(
        self,
        records: Sequence[Record],
        facts_or_problems: Sequence[Fact | Problem],
        before: Mapping[str, Account],
        foreign: frozenset[str] = frozenset(),
    ) -> None:
        """Folds records in order. `facts_or_problems`: for each record its fact, or why it can't be read.

        `before`: the states, before this batch, of the accounts that the facts name and that have one. `foreign`:
        accounts of other partitions.
        """
        for record, fact in zip(records, facts_or_problems, strict=True):
            if isinstance(fact, Problem):
                self._refuse(DeadRecord(record, None, fact))
            elif fact.event.subject in foreign:
                self.misplaced.append(MisplacedRecord(record, fact))
                self.record_counts[fact.event.type, "forwarded"] += 1
            else:
                self._fold(record, fact, before)

    def _fold(self, record: Record, fact: Fact, before: Mapping[str, Account]) -> None:
        event = fact.event
        subject = event.subject
        identity = (subject, fact.key_id is not None, fact.event_id)
        content = self.posted.get(identity)
        if content is not None:
            self._repeat(record, fact, content)
            return
        account = self.accounts.get(subject) or before.get(subject) or Account(subject)
        try:
            after, entry, effects = apply(account, fact, record.timestamp, self.book)
        except Refused as refused:
            self._refuse(DeadRecord(record, fact, problem_of(refused)))
            return
        self.posted[identity] = fact.content
        self.accounts[subject] = after
        self.post(entry, record.offset)
        if event.type in _CHARGES:
            self._cover(fact, entry)
        if fact.key_id is not None and isinstance(event, UsageAccepted | UsageDropped):
            self._decide(event, entry)
        self.record_counts[event.type, "posted"] += 1
        if effects:
            self.effects += effects
            self._keep_aside(effects)

    def _keep_aside(self, effects: Sequence[Effect]) -> None:
        """Notes usage that waits for an operator."""
        for effect in effects:
            if isinstance(effect, UsageQuarantined):
                data = effect.data
                row = {"account_id": effect.subject, "event_id": data.event_id, "signed": data.signed}
                self.kept_aside.append({**row, "time": effect.time, "charge": parse_nanos(data.charge)})

    def _decide(self, event: UsageAccepted | UsageDropped, entry: Entry) -> None:
        """Notes what an operator decided about such usage."""
        decision = "accepted" if isinstance(event, UsageAccepted) else "dropped"
        row = {"account_id": event.subject, "event_id": event.data.event_id, "signed": event.data.signed}
        self.decided.append({**row, "time": moment_of(entry.log_time_ms), "decision": decision})

    def _cover(self, fact: Fact, entry: Entry) -> None:
        """Records which hold a charge names, or that it names none.

        An id that is not a UUID is the router's own, not a hold's.
        """
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
            self._refuse(DeadRecord(record, fact, ID_REUSED))

    def _refuse(self, dead: DeadRecord) -> None:
        self.dead.append(dead)
        self.record_counts[dead.fact.event.type if dead.fact else "unreadable", "dead_letter"] += 1
