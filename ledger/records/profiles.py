"""Profiles of customers and their tax ids: personal data, which payment providers get and the log never has.

What is stored has been checked before, by ledger.payments.profiles and ledger.payments.tax_ids.
"""

from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from ledger.core.errors import LedgerError
from ledger.postgres.types import AsyncConnection, Connection
from ledger.records import log_events
from ledger.sql import statements

SQL = statements("ledger.records", "profiles.sql")
# As many as Stripe keeps of one customer.
TAX_IDS_MAX = 5


class TooManyTaxIds(LedgerError):
    message = "An account has at most five tax ids; delete one first"


class TaxIdUnknown(LedgerError):
    message = "The account has no such tax id"


class Profile(NamedTuple):
    """What the customer has given. `country`: ISO 3166-1 alpha-2; `locale`: BCP 47."""

    name: str | None = None
    email: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    time_zone: str | None = None
    locale: str | None = None


class TaxId(NamedTuple):
    """A tax id. `type` as Stripe names it, `value` written as Stripe expects it."""

    tax_id: str
    country: str
    type: str
    value: str
    created_at: datetime


async def profile(connection: AsyncConnection, account_id: str) -> Profile:
    """The profile of an account, empty until one was put."""
    async with connection.cursor(row_factory=class_row(Profile)) as cursor:
        return await (await cursor.execute(SQL["profile"], {"account_id": account_id})).fetchone() or Profile()


async def put_profile(connection: AsyncConnection, account_id: str, new: Profile) -> None:
    """Replaces the profile of an account."""
    await connection.execute(SQL["put"], {"account_id": account_id, **new._asdict()})


async def tax_ids(connection: AsyncConnection, account_id: str) -> list[TaxId]:
    """The tax ids of an account, the oldest first."""
    async with connection.cursor(row_factory=class_row(TaxId)) as cursor:
        return await (await cursor.execute(SQL["tax_ids"], {"account_id": account_id})).fetchall()


async def add_tax_id(connection: AsyncConnection, account_id: str, country: str, type_: str, value: str) -> TaxId:
    """Adds a tax id, unless the account has this number of this type already. Raises TooManyTaxIds."""
    async with connection.transaction():
        await connection.execute(SQL["lock"], {"account_id": account_id})
        present = await tax_ids(connection, account_id)
        for found in present:
            if (found.type, found.value) == (type_, value):
                return found
        if len(present) >= TAX_IDS_MAX:
            raise TooManyTaxIds()
        async with connection.cursor(row_factory=class_row(TaxId)) as cursor:
            new = {"account_id": account_id, "country": country, "type": type_, "value": value}
            added = await (await cursor.execute(SQL["add_tax_id"], new)).fetchone()
    assert added, "an insert of one row returns it"
    return added


def delete_tax_id(connection: Connection, account_id: str, tax_id: str) -> None:
    """Deletes a tax id and notes that for the log. Raises TaxIdUnknown."""
    with connection.transaction():
        deleted = connection.execute(SQL["delete_tax_id"], {"account_id": account_id, "tax_id": tax_id})
        if deleted.rowcount == 0:
            raise TaxIdUnknown(field="tax_id")
        log_events.note(connection, log_events.tax_id_deleted(tax_id))
