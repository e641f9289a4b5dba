"""Triggers and their attempts: the state of each charge, written before the provider is asked and after it answers.

Two chargers never work on one trigger: a lease lasts some seconds, and what is written under an older one is refused.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from ledger.core.errors import LedgerError
from ledger.core.top_up_attempts import AnswerKind, AttemptDecision, TriggerProgress
from ledger.postgres.types import Connection
from ledger.sql import statements
from schemas.states import AttemptState

SQL = statements("ledger.records", "top_up_triggers.sql")


class LeaseLost(LedgerError):
    message = "Somebody else works on this trigger now, or it is over"


class NewTrigger(NamedTuple):
    """What is to be bought once. `credits` in nanos; `method_id` None: the customer's default.

    `search_from`: when it may have been charged first, where that may be before `triggered_at`.
    """

    trigger_id: str
    account_id: str
    provider: str
    method_id: str | None
    credits: int
    triggered_at: datetime
    search_from: datetime | None = None


class Trigger(NamedTuple):
    """A trigger as its row has it. `url`: where the customer can pay; `failure`: the code of the last decline."""

    trigger_id: str
    account_id: str
    provider: str
    method_id: str | None
    credits: int
    triggered_at: datetime
    search_from: datetime
    state: AttemptState
    attempt: int
    silent: int
    searched_at: datetime | None
    payment_id: str | None
    url: str | None
    failure: str | None
    token: int
    due_at: datetime | None = None

    @property
    def progress(self) -> TriggerProgress:
        """How far its attempts are."""
        return TriggerProgress(self.state, self.attempt, self.silent, self.searched_at)

    def decided(self, decision: AttemptDecision) -> "Trigger":
        """The trigger after a decision."""
        failure = decision.failure.reason_code if decision.failure else self.failure
        return self._replace(**decision.progress._asdict(), due_at=decision.due_at, failure=failure)


class Policy(NamedTuple):
    """Whether and what an account's auto top-up charges now; the trigger has it from the moment of the crossing."""

    enabled: bool
    provider: str | None
    method_id: str | None


class Attempt(NamedTuple):
    """What the provider is asked with, now and whenever it is asked again. A payment link needs no customer."""

    customer_id: str | None
    method_id: str | None
    currency: str
    amount_minor: int
    tax_minor: int
    fx_rate: str


def insert(connection: Connection, new: NewTrigger, now: datetime) -> None:
    """Writes the row of a trigger that its account is in flight with; a row that is there stays, unless dropped."""
    connection.execute(SQL["insert"], {**new._asdict(), "now": now})


def is_in_flight(connection: Connection, account_id: str, trigger_id: str) -> bool | None:
    """Whether the account is in flight with this trigger by the views; None during a rebuild."""
    row = _of_views(connection, "wanted", {"account_id": account_id, "trigger_id": trigger_id})
    return row[0] if row else None


def policy(connection: Connection, account_id: str) -> Policy | None:
    """The account's policy as it is now; None while the views can't be asked."""
    row = _of_views(connection, "policy", {"account_id": account_id})
    return Policy(*row) if row else None


def lease(connection: Connection, trigger_id: str, length: timedelta, now: datetime) -> Trigger | None:
    """Takes the lease of a trigger that is due; None when it is over, not due, or leased to another process."""
    with connection.cursor(row_factory=class_row(Trigger)) as cursor:
        return cursor.execute(SQL["lease"], {"trigger_id": trigger_id, "lease": length, "now": now}).fetchone()


def due(connection: Connection, now: datetime, limit: int) -> list[str]:
    """Triggers that are due, the longest due first."""
    return [trigger_id for (trigger_id,) in connection.execute(SQL["due"], {"now": now, "limit": limit})]


def save(connection: Connection, trigger: Trigger, length: timedelta, *, rests: bool) -> None:
    """Writes the state of a trigger; without `due_at` it is over. `rests`: gives its lease back. Raises LeaseLost."""
    if connection.execute(SQL["save"], {**trigger._asdict(), "lease": length, "rests": rests}).rowcount == 0:
        raise LeaseLost(trigger.trigger_id)


def release_lease(connection: Connection, trigger: Trigger) -> None:
    """Gives the lease back, and changes nothing."""
    connection.execute(SQL["release_lease"], trigger._asdict())


def make_due(connection: Connection, accounts: Sequence[str]) -> None:
    """Makes the next attempt of each of the accounts due now."""
    connection.execute(SQL["hasten"], {"accounts": list(accounts)})


def mark_credited(connection: Connection, trigger_id: str, payment_id: str) -> None:
    """Stores that the trigger is paid and that the log has its purchase."""
    connection.execute(SQL["credited"], {"trigger_id": trigger_id, "payment_id": payment_id})


def paid_by(connection: Connection, trigger_id: str) -> str | None:
    """The payment for which the trigger was credited; None before that."""
    row = connection.execute(SQL["paid_by"], {"trigger_id": trigger_id}).fetchone()
    return row[0] if row else None


def last(connection: Connection, account_id: str) -> Trigger | None:
    """The account's last trigger that a charger knows."""
    with connection.cursor(row_factory=class_row(Trigger)) as cursor:
        return cursor.execute(SQL["last"], {"account_id": account_id}).fetchone()


def attempt(connection: Connection, trigger: Trigger) -> Attempt | None:
    """What the current attempt was made with, if it was made."""
    with connection.cursor(row_factory=class_row(Attempt)) as cursor:
        return cursor.execute(SQL["attempt"], trigger._asdict()).fetchone()


def begin_attempt(connection: Connection, trigger: Trigger, new: Attempt, length: timedelta) -> Attempt:
    """Stores that the provider is about to be asked. Returns what to ask with. Raises LeaseLost."""
    parameters = {**trigger._asdict(), **new._asdict(), "lease": length}
    with connection.cursor(row_factory=class_row(Attempt)) as cursor:
        row = cursor.execute(SQL["attempting"], parameters).fetchone()
    if row is None:
        raise LeaseLost(trigger.trigger_id)
    return row


def end_attempt(
    connection: Connection, trigger: Trigger, outcome: AnswerKind, code: str, payment_id: str | None
) -> None:
    """Stores the outcome of the current attempt, for people."""
    parameters = {"trigger_id": trigger.trigger_id, "attempt": trigger.attempt, "payment_id": payment_id}
    connection.execute(SQL["answered"], {**parameters, "outcome": outcome, "code": code or None})


def _of_views(connection: Connection, name: str, parameters: dict[str, str]) -> tuple[Any, ...] | None:
    try:
        return connection.execute(SQL[name], parameters).fetchone()
    except psycopg.errors.UndefinedTable:  # a rebuild has just begun
        return None
