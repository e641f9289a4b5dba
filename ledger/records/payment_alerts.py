"""Payment alerts: movements of money that the ledger could not follow, until a person resolves them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "payment_alerts.sql")


class Alert(NamedTuple):
    """What does not fit. `payment_id`: the provider's id of the payment, refund, dispute or payout."""

    provider: str
    payment_id: str
    reason: str
    account_id: str | None
    details: dict[str, Any]


class RaisedAlert(NamedTuple):
    """An alert, and since when it is known."""

    alert: Alert
    raised_at: datetime


def raise_(connection: Connection, alert: Alert) -> bool:
    """Stores an alert, once. Returns whether it is new."""
    return connection.execute(SQL["raise"], {**alert._asdict(), "details": Jsonb(alert.details)}).rowcount > 0


def unresolved(connection: Connection) -> list[RaisedAlert]:
    """The unresolved alerts, oldest first."""
    return [RaisedAlert(Alert(*said), raised_at) for *said, raised_at in connection.execute(SQL["unresolved"])]


def resolve(connection: Connection, payment_id: str) -> int:
    """Resolves all alerts of a payment, for good; returns how many."""
    return connection.execute(SQL["resolve"], {"payment_id": payment_id}).rowcount


def alerted_payments(connection: Connection, provider: str, reason: str) -> set[str]:
    """The payments with an alert for this reason, resolved or not."""
    rows = connection.execute(SQL["known"], {"provider": provider, "reason": reason})
    return {row[0] for row in rows}


def withdraw(connection: Connection, provider: str, reason: str, payment_ids: Collection[str]) -> None:
    """Deletes alerts that are no longer true."""
    parameters = {"provider": provider, "reason": reason, "payment_ids": list(payment_ids)}
    connection.execute(SQL["withdraw"], parameters)


def withdraw_credited(connection: Connection, provider: str, reason: str) -> None:
    """Deletes the alerts of purchases that are projected now."""
    connection.execute(SQL["withdraw_credited"], {"provider": provider, "reason": reason})
