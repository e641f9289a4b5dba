"""An account as a payment provider may know it: its profile and tax ids, read together."""

from psycopg.rows import class_row

from ledger.core.errors import LedgerError
from ledger.payments.gateway import Address, Buyer
from ledger.postgres.types import Connection
from ledger.records.profiles import SQL, Profile, TaxId


class BillingCountryMissing(LedgerError):
    message = "A payment through this provider needs the billing address's country; set it in the profile"


def buyer(connection: Connection, account_id: str) -> Buyer:
    """The buyer that an account is; all but the id is None or empty where nothing was said."""
    parameters = {"account_id": account_id}
    with connection.cursor(row_factory=class_row(Profile)) as cursor:
        profile = cursor.execute(SQL["profile"], parameters).fetchone() or Profile()
    with connection.cursor(row_factory=class_row(TaxId)) as cursor:
        tax_ids = cursor.execute(SQL["tax_ids"], parameters).fetchall()
    numbers = tuple((tax_id.type, tax_id.value) for tax_id in tax_ids)
    return Buyer(account_id, profile.name, profile.email, _address(profile), numbers)


def billing_country(who: Buyer) -> str:
    """The country that taxes the purchase. Raises BillingCountryMissing."""
    if who.address is None:
        raise BillingCountryMissing(field="profile.address.country")
    return who.address.country


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
