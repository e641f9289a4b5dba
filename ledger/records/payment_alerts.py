"""Payment alerts: money that moved and that the ledger could not follow, until somebody has looked at it."""

from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ledger.sql import statements

SQL = statements("ledger.records", "payment_alerts.sql")
Connection = psycopg.Connection[Any]


class Alert(NamedTuple):
    """What does not fit. `payment_id`: the provider's id of the payment, refund, dispute or payout."""

    provider: str
    payment_id: str
    reason: str
    account_id: str | None
    details: dict[str, Any]


def raise_(connection: Connection, alert: Alert) -> None:
    """Keeps an alert; the same again is one."""
    connection.execute(SQL["raise"], {**alert._asdict(), "details": Jsonb(alert.details)})


def unresolved(connection: Connection) -> list[Alert]:
    """The alerts that nobody has resolved, the oldest first."""
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(SQL["unresolved"]).fetchall()
