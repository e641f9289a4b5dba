"""Events of providers: every webhook that was signed, how often it came, and what it did."""

from datetime import datetime

from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "provider_events.sql")


def note_received(connection: Connection, provider: str, event_id: str, type_: str, created: datetime) -> str | None:
    """Keeps that it came; what it did before, None when nothing yet."""
    parameters = {"provider": provider, "event_id": event_id, "type": type_, "created": created}
    row = connection.execute(SQL["received"], parameters).fetchone()
    assert row, "the statement inserts or updates one row"
    outcome: str | None = row[0]
    return outcome


def note_outcome(connection: Connection, provider: str, event_id: str, outcome: str) -> None:
    """Keeps what it did."""
    connection.execute(SQL["did"], {"provider": provider, "event_id": event_id, "outcome": outcome})
