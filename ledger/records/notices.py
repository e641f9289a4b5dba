"""Notices: each once, with a delivery per endpoint and one to the customer's mailbox, and a log of every attempt."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ledger.core.errors import LedgerError
from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "notices.sql")
DeliveryState = Literal["waiting", "delivered", "failed"]


class DeliveryUnknown(LedgerError):
    message = "The endpoint has no such delivery"


class Notice(NamedTuple):
    """A message to a customer or a router. `data`: the body's data in a webhook, without personal data."""

    notice_id: str
    account_id: str
    type: str
    occurred_at: datetime
    data: Mapping[str, Any]


class DueDelivery(NamedTuple):
    """A delivery that is due: to `url`, or without an endpoint to `email`, as the customer's profile has it now."""

    delivery_id: str
    notice_id: str
    account_id: str
    type: str
    occurred_at: datetime
    data: dict[str, Any]
    attempts: int
    endpoint_id: str | None
    url: str | None
    secret: str | None
    previous_secret: str | None
    email: str | None


class Attempt(NamedTuple):
    """How an attempt went. `status`: what was answered; `error` None: it was delivered."""

    status: int | None
    error: str | None
    milliseconds: int


class Delivery(NamedTuple):
    """A line of an endpoint's log; the last three are of the last attempt."""

    delivery_id: str
    notice_id: str
    type: str
    account_id: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    due_at: datetime
    attempted_at: datetime | None
    status: int | None
    error: str | None


class Document(NamedTuple):
    """The document that has an invoice number."""

    kind: str
    currency: str
    total_minor: int
    tax_minor: int


def note(connection: Connection, notice: Notice, *, mailed: bool) -> bool:
    """Writes a notice and its deliveries in the caller's transaction; False when it was there before."""
    parameters = {**notice._asdict(), "data": Jsonb(dict(notice.data))}
    if connection.execute(SQL["note"], parameters).fetchone() is None:
        return False
    connection.execute(SQL["to_endpoints"], parameters)
    if mailed:
        connection.execute(SQL["to_mail"], parameters)
    return True


def due(connection: Connection, each: int, limit: int) -> list[DueDelivery]:
    """Deliveries that are due: at most `each` for each endpoint, and at most `each` e-mails."""
    with connection.cursor(row_factory=class_row(DueDelivery)) as cursor:
        return cursor.execute(SQL["due"], {"each": each, "limit": limit}).fetchall()


def record_attempt(
    connection: Connection, delivery: DueDelivery, attempt: Attempt, state: DeliveryState, pause: timedelta | None
) -> None:
    """Notes how an attempt went, and when the next one is."""
    number = delivery.attempts + 1
    parameters = {**attempt._asdict(), "delivery_id": delivery.delivery_id, "attempt": number}
    with connection.transaction():
        connection.execute(SQL["attempted"], parameters)
        connection.execute(SQL["save"], {**parameters, "state": state, "pause": pause})


def replay(connection: Connection, endpoint_id: str, delivery_id: str) -> None:
    """Makes a delivery due again, whatever its outcome was. Raises DeliveryUnknown."""
    parameters = {"endpoint_id": endpoint_id, "delivery_id": delivery_id}
    if connection.execute(SQL["replay"], parameters).fetchone() is None:
        raise DeliveryUnknown(field="delivery_id")


def deliveries(
    connection: Connection, endpoint_id: str, before: datetime, delivery_id: str, limit: int
) -> list[Delivery]:
    """The deliveries of an endpoint before a place, newest first."""
    parameters = {"endpoint_id": endpoint_id, "before": before, "delivery_id": delivery_id, "limit": limit}
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(SQL["log"], parameters).fetchall()


def document(connection: Connection, number: str) -> Document | None:
    """The document of a number; None while this database does not have it."""
    row = connection.execute(SQL["document"], {"number": number}).fetchone()
    return Document(*row) if row else None
