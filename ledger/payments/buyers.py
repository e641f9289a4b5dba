"""Loads an account's buyer: the profile and the tax ids that a payment provider may know."""

from psycopg.rows import class_row

from ledger.payments.gateway import Address, Buyer
from ledger.postgres.types import Connection
from ledger.records.profiles import SQL, Profile, TaxId


def load_buyer(connection: Connection, account_id: str) -> Buyer:
    """The buyer of an account. Fields that the profile does not have are None or empty."""
    parameters = {"account_id": account_id}
    with connection.cursor(row_factory=class_row(Profile)) as cursor:
        profile = cursor.execute(SQL["profile"], parameters).fetchone() or Profile()
    with connection.cursor(row_factory=class_row(TaxId)) as cursor:
        tax_ids = cursor.execute(SQL["tax_ids"], parameters).fetchall()
    numbers = tuple((tax_id.type, tax_id.value) for tax_id in tax_ids)
    return Buyer(account_id, profile.name, profile.email, _address(profile), numbers)


def _address(profile: Profile) -> Address | None:
    if profile.country is None:
        return None
    return Address(
        profile.line1 or "",
        profile.line2 or "",
        profile.city or "",
        profile.state or "",
        profile.postal_code or "",
        profile.country,
    )
