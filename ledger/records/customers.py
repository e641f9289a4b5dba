"""Customers: who an account is at a payment provider."""

from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "customers.sql")


def find(connection: Connection, account_id: str, provider: str) -> str | None:
    """The provider's id of an account; None until it has one."""
    row = connection.execute(SQL["find"], {"account_id": account_id, "provider": provider}).fetchone()
    return str(row[0]) if row else None


def put(connection: Connection, account_id: str, provider: str, customer_id: str) -> None:
    """Sets the account's customer id at the provider."""
    parameters = {"account_id": account_id, "provider": provider, "customer_id": customer_id}
    connection.execute(SQL["put"], parameters)


def accounts_of(connection: Connection, provider: str, customer_id: str) -> list[str]:
    """The accounts of a provider's customer; none if the ledger does not know the customer."""
    rows = connection.execute(SQL["accounts_of"], {"provider": provider, "customer_id": customer_id})
    return [account_id for (account_id,) in rows]
