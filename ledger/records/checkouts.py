"""Checkouts: one row per purchase that a customer began, from before the provider is asked until it is over.

Each function is one statement, so that no transaction is open while a provider is asked.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ledger.postgres.types import Connection
from ledger.sql import statements
from schemas.identity import is_uuid

SQL = statements("ledger.records", "checkouts.sql")

# created: the provider may not know it yet. begun: the provider has it. mismatched: it was not paid as agreed.
CheckoutState = Literal["created", "begun", "credited", "failed", "expired", "mismatched"]
# How a purchase ends without credits.
EndState = Literal["failed", "expired", "mismatched"]

# A caller that begins a purchase waits no longer for the provider, retries included.
BEGINNING = timedelta(minutes=2)


class NewCheckout(NamedTuple):
    """A purchase that is about to begin. `credits` in nanos; a repeated `request` leads to the same purchase."""

    checkout_id: str
    request: str | None
    account_id: str
    provider: str
    credits: int
    currency: str
    amount_minor: int
    tax_minor: int
    fx_rate: str
    description: str
    method_id: str | None
    return_url: str | None


class Checkout(NamedTuple):
    """A purchase as its row has it.

    `reference`, `url` and `fields` are what the provider gave; `failure`: its code of the last decline.
    """

    checkout_id: str
    account_id: str
    provider: str
    credits: int
    currency: str
    amount_minor: int
    tax_minor: int
    fx_rate: str
    description: str
    customer_id: str | None
    method_id: str | None
    return_url: str | None
    state: CheckoutState
    reference: str | None
    url: str | None
    fields: dict[str, Any]
    payment_id: str | None
    failure: str | None
    created_at: datetime

    @property
    def open(self) -> bool:
        """Whether it may still be paid."""
        return self.state in ("created", "begun")


def open_(connection: Connection, new: NewCheckout) -> Checkout:
    """The row of a new purchase, or of the one that this request began before."""
    connection.execute(SQL["open"], new._asdict())
    found = find_request(connection, new.request) if new.request else find(connection, new.checkout_id)
    assert found, "it has just been written"
    return found


def find(connection: Connection, checkout_id: str) -> Checkout | None:
    """A purchase by its id; None also for what can't be one."""
    return _one(connection, "find", checkout_id=checkout_id) if is_uuid(checkout_id) else None


def find_request(connection: Connection, request: str) -> Checkout | None:
    """A purchase by the request that began it."""
    return _one(connection, "find_request", request=request)


def find_payment(connection: Connection, provider: str, payment_id: str, reference: str | None) -> Checkout | None:
    """A purchase by the provider's id of it."""
    return _one(connection, "find_payment", provider=provider, payment_id=payment_id, reference=reference)


def name_customer(connection: Connection, checkout_id: str, customer_id: str) -> str:
    """Sets the provider's customer of a purchase, unless one is set. Returns the customer's id."""
    row = connection.execute(SQL["name_customer"], {"checkout_id": checkout_id, "customer_id": customer_id}).fetchone()
    assert row, "a row is never deleted while its purchase is begun"
    return str(row[0])


def mark_begun(
    connection: Connection, checkout_id: str, reference: str, url: str | None, fields: Mapping[str, object]
) -> None:
    """Stores that the provider knows the purchase now, and what it gave for it."""
    parameters = {"checkout_id": checkout_id, "reference": reference, "url": url, "fields": Jsonb(dict(fields))}
    connection.execute(SQL["begun"], parameters)


def mark_credited(connection: Connection, checkout_id: str, payment_id: str) -> None:
    """Stores that the purchase is paid and that the log has it."""
    connection.execute(SQL["credited"], {"checkout_id": checkout_id, "payment_id": payment_id})


def restore(connection: Connection, new: NewCheckout, reference: str | None, payment_id: str) -> None:
    """Writes the row of a credited purchase that was lost."""
    connection.execute(SQL["restore"], {**new._asdict(), "reference": reference, "payment_id": payment_id})


def mark_ended(connection: Connection, checkout_id: str, state: EndState, failure: str | None) -> None:
    """Stores that the purchase failed, expired or does not match."""
    connection.execute(SQL["ended"], {"checkout_id": checkout_id, "state": state, "failure": failure})


def mark_declined(connection: Connection, checkout_id: str, failure: str | None) -> None:
    """Stores that an attempt to pay failed. Another one may follow."""
    connection.execute(SQL["declined"], {"checkout_id": checkout_id, "failure": failure})


def claim_refresh(connection: Connection, checkout_id: str, pause: timedelta) -> bool:
    """Whether the provider may be asked about it again: at most once per pause, by any process."""
    parameters = {"checkout_id": checkout_id, "pause": pause}
    return connection.execute(SQL["claim_asking"], parameters).fetchone() is not None


def _one(connection: Connection, name: str, **parameters: object) -> Checkout | None:
    with connection.cursor(row_factory=class_row(Checkout)) as cursor:
        return cursor.execute(SQL[name], parameters).fetchone()
