"""Repeats the endings that are on the log: after a restore, keys and endpoints that ended after the dump are back."""

from functools import singledispatch

from ledger.postgres.types import Connection
from ledger.records import api_keys, erasing, webhook_endpoints
from ledger.sql import statements
from schemas.records import AccountErased, ApiKeyRevoked, Ending, TaxIdDeleted, WebhookEndpointEnded

SQL = statements("ledger.records", "endings.sql")


def end_again(connection: Connection, event: Ending, *, invoiced: bool) -> None:
    """Applies the event in the caller's transaction. A second time it changes nothing.

    `invoiced`: invoices are issued here. Raises NotInvoicedYet, RebuildRunning, RebuildUnfinished.
    """
    _end(event, connection, invoiced)


@singledispatch
def _end(event: Ending, connection: Connection, invoiced: bool) -> None:
    raise TypeError(type(event).__name__)


@_end.register
def _(event: ApiKeyRevoked, connection: Connection, invoiced: bool) -> None:
    api_keys.revoke(connection, event.data.key_id)


@_end.register
def _(event: WebhookEndpointEnded, connection: Connection, invoiced: bool) -> None:
    webhook_endpoints.disable(connection, event.data.endpoint_id)


@_end.register
def _(event: TaxIdDeleted, connection: Connection, invoiced: bool) -> None:
    connection.execute(SQL["delete_tax_id"], {"tax_id": event.data.tax_id})


@_end.register
def _(event: AccountErased, connection: Connection, invoiced: bool) -> None:
    erasing.erase(connection, event.data.account_id, invoiced=invoiced, on_log=False)
