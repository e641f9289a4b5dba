"""Endpoints that notices go to, each with a secret of its own."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg.rows import class_row

from ledger.core.errors import LedgerError
from ledger.postgres.types import Connection
from ledger.records import log_events
from ledger.sql import statements

SQL = statements("ledger.records", "webhook_endpoints.sql")
_BOTH = timedelta(hours=24)


class EndpointUnknown(LedgerError):
    message = "There is no such webhook endpoint"


class EndpointEnded(LedgerError):
    message = "This webhook endpoint was ended; nothing more is sent there"


class Endpoint(NamedTuple):
    """An endpoint without its secret. `account_id` "": notices of all accounts; no `types`: all of them."""

    endpoint_id: str
    account_id: str
    url: str
    description: str
    types: list[str]
    created_at: datetime
    disabled_at: datetime | None


def create(
    connection: Connection, account_id: str, url: str, description: str, types: Sequence[str], secret: str
) -> Endpoint:
    """Makes an endpoint."""
    new = {"account_id": account_id, "url": url, "description": description, "types": list(types), "secret": secret}
    with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        made = cursor.execute(SQL["create"], new).fetchone()
    assert made, "an insert of one row returns it"
    return made


def find(connection: Connection, endpoint_id: str) -> Endpoint:
    """Raises EndpointUnknown."""
    with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        found = cursor.execute(SQL["find"], {"endpoint_id": endpoint_id}).fetchone()
    if found is None:
        raise EndpointUnknown(field="endpoint_id")
    return found


def listed(connection: Connection, account_id: str) -> list[Endpoint]:
    """The endpoints of an account, or with "" all, the oldest first."""
    with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        return cursor.execute(SQL["list"], {"account_id": account_id}).fetchall()


def rotate(connection: Connection, endpoint_id: str, secret: str) -> None:
    """Signs with another secret from now on, and for a day with the one before, too."""
    connection.execute(SQL["rotate"], {"endpoint_id": endpoint_id, "secret": secret, "both": _BOTH})


def disable(connection: Connection, endpoint_id: str) -> None:
    """Ends an endpoint for good, and notes that for the log. Its deliveries stay listed."""
    with connection.transaction():
        connection.execute(SQL["disable"], {"endpoint_id": endpoint_id})
        log_events.note(connection, log_events.endpoint_ended(endpoint_id))
