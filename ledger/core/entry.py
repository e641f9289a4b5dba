"""What goes into the fold and what comes out of it: facts in; entries and effects out."""

from typing import NamedTuple

from ledger.core.account import Account
from ledger.core.book import Version
from schemas.effects import Effect
from schemas.events import Event


class Recovery(NamedTuple):
    """The log time that a record had before the log lost it, and what proves it. The record was appended again.

    `key_id`: the key that signed the time; it must be valid at `appended_ms`, when the record was appended again.
    """

    key_id: str
    log_time_ms: int
    appended_ms: int


class Fact(NamedTuple):
    """An event whose form and signature have been checked. `key_id` None: unsigned."""

    event: Event
    event_id: str
    content: str
    key_id: str | None = None
    recovery: Recovery | None = None

    @property
    def identity(self) -> tuple[str, bool, str]:
        """Of two facts with the same identity, one is a duplicate or reuses an id (ledger/core/duplicates.py)."""
        return self.event.subject, self.key_id is not None, self.event_id


class Money(NamedTuple):
    """Money that moved at a payment provider, in minor units: the change of clearing, its tax, the provider's fee."""

    provider: str
    currency: str
    clearing_minor: int
    tax_minor: int = 0
    fee_minor: int = 0


class Entry(NamedTuple):
    """One line of an account's ledger: every accepted event makes exactly one, many of them with amount 0.

    `amount`, `balance_after` and `cost` are nanos; `cost`: the model provider's part of a charge; `free_traces`: traces
    that the package includes.
    """

    fact: Fact
    log_time_ms: int
    seq: int
    amount: int
    balance_after: int
    cost: int
    free_traces: int
    money: Money | None
    book_version: int
    rules: int


class EntrySums(NamedTuple):
    """Sums of the columns of entries that have the same type, provider and currency; columns as in `Entry` and `Money`.

    `kind`: of purchases, or how disputes were closed; `book_version`: of traces. Where it is set, the entries have the
    same one.
    """

    type: str
    provider: str | None
    currency: str | None
    kind: str | None
    book_version: int | None
    entries: int
    amount: int
    cost: int
    traces: int
    free_traces: int
    clearing_minor: int
    tax_minor: int
    fee_minor: int


class Context(NamedTuple):
    """What a rule knows besides the account: the fact, its log time, and the version of the book in force."""

    fact: Fact
    log_time_ms: int
    version: Version


class Applied(NamedTuple):
    """The result of the fold. Each effect's id is derived from the fact, so a second fold gives the same effects."""

    account: Account
    entry: Entry
    effects: tuple[Effect, ...]
