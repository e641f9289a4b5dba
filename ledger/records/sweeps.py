"""What the payment sweep remembers: what it is time to ask about, and when all lists were last read to their end."""

from datetime import datetime

from ledger.postgres.types import Connection
from ledger.records.checkouts import BEGINNING
from ledger.sql import statements

SQL = statements("ledger.records", "sweeps.sql")

_AT_ONCE = 100


def due(connection: Connection, provider: str) -> list[str]:
    """Ids of open purchases whose provider is to be asked about them now; more may be due than are returned."""
    parameters = {"provider": provider, "beginning": BEGINNING, "most": _AT_ONCE}
    return [row[0] for row in connection.execute(SQL["due"], parameters)]


def last_completed(connection: Connection, provider: str) -> datetime | None:
    """When the last sweep began that read all lists to their end."""
    row = connection.execute(SQL["complete_at"], {"provider": provider}).fetchone()
    return row[0] if row else None


def mark_completed(connection: Connection, provider: str, at: datetime) -> None:
    """Stores that a sweep which began then has read all lists to their end."""
    connection.execute(SQL["completed"], {"provider": provider, "at": at})
