"""The state of one account, its last entries, and the position in the log up to which both are true."""

from datetime import datetime
from typing import NamedTuple

from ledger.core.account import Account
from ledger.core.errors import LedgerError
from ledger.postgres.types import Connection
from ledger.records import top_up_triggers
from ledger.records.top_up_triggers import Trigger
from ledger.sql import statements
from ledger.views.writing import load_accounts

SQL = statements("ledger.views", "account_state.sql")
LAST_ENTRIES = 10


class NoSuchAccount(LedgerError):
    message = "The ledger has no entry of this account"


class LastEntry(NamedTuple):
    """One of the last entries; amounts in nanos."""

    event_id: str
    type: str
    log_time: datetime
    amount: int
    balance_after: int
    log_offset: int


class AccountState(NamedTuple):
    """`last`: newest first. Every record of the partition before `next_offset` is counted, `through`: up to when.

    `held`: what its open holds hold, in nanos; `trigger`: its last one, at its provider; None for a moment in the past.
    """

    account: Account
    last: tuple[LastEntry, ...]
    partition: int
    next_offset: int
    through: datetime | None
    held: int | None = None
    trigger: Trigger | None = None


def read_account_state(connection: Connection, account_id: str) -> AccountState:
    """Reads the state of an account. Raises NoSuchAccount."""
    parameters = {"account_id": account_id, "limit": LAST_ENTRIES}
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")  # one moment for all of it
    place = connection.execute(SQL["place"], parameters).fetchone()
    if place is None:
        raise NoSuchAccount(account_id)
    account = load_accounts(connection, [account_id])[account_id]
    last = tuple(LastEntry(*row) for row in connection.execute(SQL["last_entries"], parameters))
    return AccountState(account, last, *place)._replace(trigger=top_up_triggers.last(connection, account_id))


def refused_by_database(connection: Connection, topic: str, partition: int) -> frozenset[int]:
    """The offsets of a partition whose records Postgres refused. `topic` with the deployment's prefix."""
    rows = connection.execute(SQL["refused_by_database"], {"topic": topic, "partition": partition})
    return frozenset(offset for (offset,) in rows)
