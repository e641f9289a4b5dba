"""One batch of records folded in memory: what it posts, what it ignores, what it refuses, what it sends elsewhere.

Pure: the same records over the same accounts give the same batch, and where a batch begins or ends changes nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ledger.core.account import Account
from ledger.core.book import Book
from ledger.core.entry import Entry, Fact
from ledger.core.errors import Refused
from ledger.core.fold import apply
from ledger.log.reading import Problem, Record
from schemas.effects import Effect

Identity = tuple[str, bool, str]
REUSED = Problem("id_reused", "id: was used before for an event with other content; the first one stands")


class Reading(NamedTuple):
    """A record and what it states, or what is wrong with it."""

    record: Record
    fact: Fact | Problem


class Posted(NamedTuple):
    """An entry and the record that it comes from."""

    entry: Entry
    record: Record


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
    """What the records of one batch come to. `accounts` are those that changed, as they are after it."""

    accounts: dict[str, Account] = field(default_factory=dict)
    posted: list[Posted] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    misplaced: list[Misplaced] = field(default_factory=list)
    tallies: Counter[tuple[str, str]] = field(default_factory=Counter)


def fold(
    readings: Sequence[Reading],
    accounts: Mapping[str, Account],
    known: Mapping[Identity, str],
    elsewhere: frozenset[str],
    book: Book,
) -> Batch:
    """Folds readings in their order.

    `accounts`: the state before, of every account that the readings name and that has one. `known`: the content of
    facts that have an entry already. `elsewhere`: accounts of other partitions.
    """
    batch = Batch()
    changed, tallies = batch.accounts, batch.tallies
    seen = dict(known)
    for record, fact in readings:
        if isinstance(fact, Problem):
            _refuse(batch, Dead(record, None, fact))
            continue
        event = fact.event
        subject, kind = event.subject, event.type
        if subject in elsewhere:
            batch.misplaced.append(Misplaced(record, fact))
            tallies[kind, "forwarded"] += 1
            continue
        identity = (subject, fact.key_id is not None, fact.event_id)
        content = seen.get(identity)
        if content is not None:
            if content == fact.content:
                tallies[kind, "duplicate"] += 1
            else:
                _refuse(batch, Dead(record, fact, REUSED))
            continue
        account = changed.get(subject) or accounts.get(subject) or Account(subject)
        try:
            after, entry, effects = apply(account, fact, record.timestamp, book)
        except Refused as refused:
            _refuse(batch, Dead(record, fact, Problem(refused.code, refused.message)))
            continue
        seen[identity] = fact.content
        changed[subject] = after
        batch.posted.append(Posted(entry, record))
        tallies[kind, "posted"] += 1
        if effects:
            batch.effects += effects
    return batch


def _refuse(batch: Batch, dead: Dead) -> None:
    batch.dead.append(dead)
    batch.tallies[dead.fact.event.type if dead.fact else "unreadable", "dead_letter"] += 1
