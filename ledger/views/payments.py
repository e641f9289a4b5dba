"""Payments as they are projected, for the comparison with their provider's lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.views", "payments.sql")


class PaidPurchase(NamedTuple):
    """The provider's id of a payment, and what was bought with it."""

    payment_id: str
    account_id: str
    purchase_id: str


def uncredited(connection: Connection, paid: Sequence[PaidPurchase]) -> list[PaidPurchase]:
    """Those of the payments that no projected purchase has."""
    parameters = {"accounts": [one.account_id for one in paid], "purchases": [one.purchase_id for one in paid]}
    return [paid[place] for (place,) in connection.execute(SQL["uncredited"], parameters)]


def credited_since(connection: Connection, provider: str, since: datetime) -> list[PaidPurchase]:
    """The purchases through a provider that were appended since then."""
    rows = connection.execute(SQL["credited_since"], {"provider": provider, "since": since})
    return [PaidPurchase(*row) for row in rows]


def oldest_open_dispute(connection: Connection, provider: str) -> datetime | None:
    """When the oldest undecided dispute was opened, by its provider."""
    row = connection.execute(SQL["oldest_open_dispute"], {"provider": provider}).fetchone()
    return row[0] if row else None


def was_lost(connection: Connection, checkout_id: str, event_id: str) -> bool:
    """Whether the log has lost a purchase that it had acknowledged; `event_id`: of the event that credits it."""
    row = connection.execute(SQL["was_lost"], {"checkout_id": checkout_id, "event_id": event_id}).fetchone()
    return bool(row and row[0])


def perhaps_lost(connection: Connection, provider: str) -> list[str]:
    """The provider's ids of payments that were credited and have no purchase, however old they are."""
    return [payment_id for (payment_id,) in connection.execute(SQL["perhaps_lost"], {"provider": provider})]
