"""What goes into the fold and what comes out of it: facts in; entries and effects out."""

from typing import NamedTuple

from ledger.core.account import Account
from ledger.core.book import Version
from schemas.effects import Effect
from schemas.events import Event


class Recovery(NamedTuple):
    """Of a record that the log had lost and got back: the log time that it had before, and what proves it.

    `key_id`: of the key that states the time; it must be valid when the record was appended again, `appended_ms`.
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
        """Facts of equal identity are the same fact, or one of them is an error."""
        return self.event.subject, self.key_id is not None, self.event_id


class Money(NamedTuple):
    """Money that moved at a provider, in minor units: what clearing gained, the tax in it, the fee that was kept."""

    provider: str
    currency: str
    clearing_minor: int
    tax_minor: int = 0
    fee_minor: int = 0


class Entry(NamedTuple):
    """One line of an account's ledger: every accepted event makes exactly one, many of them with amount 0.

    `amount` and `balance_after` in nanos; `cost` what the provider takes of a charge; `free_traces` the included part.
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
    """What the columns of entries of equal type, provider and currency add up to; columns as in `Entry` and `Money`.

    `kind`: of a purchase, or how a dispute was closed; `book_version`: of traces. Then the entries are equal in it.
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
    """What a rule may ask besides the account: which fact, when by the log, under which version of the book."""

    fact: Fact
    log_time_ms: int
    version: Version


class Applied(NamedTuple):
    """The answer of the fold. Each effect's id follows from the fact, so that a second fold says the same."""

    account: Account
    entry: Entry
    effects: tuple[Effect, ...]
