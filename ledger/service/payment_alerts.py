"""Payments, refunds, disputes and payouts that contradict the ledger: listed and resolved by an operator."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ledger.payments.payment_alerts import AlertKind, kind_of
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.records import payment_alerts
from ledger.records.payment_alerts import Alert
from ledger.settings import Settings


class UnresolvedAlert(NamedTuple):
    """An alert, its kind, when it was raised, and how long ago that was."""

    alert: Alert
    kind: AlertKind
    raised_at: datetime
    age: timedelta


def unresolved(settings: Settings) -> list[UnresolvedAlert]:
    """The unresolved alerts, oldest first."""
    with connect(settings.database, COMMAND) as connection:
        found = payment_alerts.unresolved(connection)
    now = datetime.now(UTC)
    return [UnresolvedAlert(alert, kind_of(alert.reason), raised_at, now - raised_at) for alert, raised_at in found]


def resolve(settings: Settings, payment_id: str) -> int:
    """Resolves all alerts of a payment, for good. Returns how many there were."""
    with connect(settings.database, COMMAND) as connection:
        return payment_alerts.resolve(connection, payment_id)
