"""Ends open holds whose time is over, and drops holds that ended long ago. For a worker, so it is synchronous."""

from ledger.gate.holds import SQL
from ledger.postgres.types import Connection
from ledger.records.idempotency import KEYS_LAST


def expire_holds(connection: Connection, limit: int = 1000) -> int:
    """Ends open holds whose partition is projected past their end; returns how many.

    At most `limit` at a time. Holds of an account that another transaction has locked are left for the next call.
    """
    due = connection.execute(SQL["expirable"], {"limit": limit}).fetchall()
    if not due:
        return 0
    accounts = sorted({account_id for _, account_id in due})
    with connection.transaction():
        locked = [account_id for (account_id,) in connection.execute(SQL["lock_free"], {"accounts": accounts})]
        parameters = {"ids": [hold_id for hold_id, _ in due], "accounts": locked, "state": "expired"}
        return len(connection.execute(SQL["close"], parameters).fetchall())


def forget_holds(connection: Connection) -> int:
    """Drops holds that ended longer ago than Idempotency-Keys last; returns how many."""
    return connection.execute(SQL["forget"], {"lasts": KEYS_LAST}).rowcount
