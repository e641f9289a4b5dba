"""Purchases as they are projected: what is left of one, and who was paid for it."""

from typing import NamedTuple

from ledger.core.account import CreditedPurchase
from ledger.core.errors import LedgerError
from ledger.postgres.types import Connection
from ledger.sql import statements
from ledger.views.writing import load_purchases

SQL = statements("ledger.views", "purchases.sql")


class PurchaseUnknown(LedgerError):
    message = "The account has no such purchase"


class Paid(NamedTuple):
    """A credited purchase, and the provider's id of its payment."""

    purchase: CreditedPurchase
    payment_id: str


def paid(connection: Connection, account_id: str, purchase_id: str) -> Paid:
    """Raises PurchaseUnknown until it is credited."""
    found = load_purchases(connection, [(account_id, purchase_id)]).get(account_id, {}).get(purchase_id)
    row = connection.execute(SQL["payment"], {"account_id": account_id, "purchase_id": purchase_id}).fetchone()
    if found is None or row is None:
        raise PurchaseUnknown(purchase_id, field="purchase_id")
    return Paid(found, str(row[0]))
