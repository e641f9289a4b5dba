"""Events of providers: every webhook that was signed, how often it arrived, and its outcome."""

from datetime import datetime

from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "provider_events.sql")


def note_received(connection: Connection, provider: str, event_id: str, type_: str, created: datetime) -> str | None:
    """Counts an arrival of the event; returns its outcome, None before it has one."""
    parameters = {"provider": provider, "event_id": event_id, "type": type_, "created": created}
    row = connection.execute(SQL["received"], parameters).fetchone()
    assert row, "the statement inserts or updates one row"
    outcome: str | None = row[0]
    return outcome


def note_outcome(connection: Connection, provider: str, event_id: str, outcome: str) -> None:
    """Stores the outcome of an event."""
    connection.execute(SQL["did"], {"provider": provider, "event_id": event_id, "outcome": outcome})
