"""Profiles and tax ids: who a customer is, for payments and invoices. Kept in `records`, never on the log.

No error and no log line has personal data.
"""

import uuid

from ledger.payments import profiles, tax_ids
from ledger.records import profiles as records
from ledger.records.log_events import tax_id_deleted
from ledger.service.caller import Caller
from ledger.service.endings import append_ending
from ledger.service.idempotency import RequestIdentity, once
from ledger.service.resources import Resources
from ledger.service.writes import existing_account
from schemas.http import BillingAddress, CountryTaxIdTypes, NewProfile, NewTaxId, Page, Profile, TaxId, TaxIdType


async def get_profile(resources: Resources, caller: Caller, account_id: str) -> Profile:
    """Name, billing address, e-mail, time zone and locale; None where the customer gave nothing."""
    await existing_account(resources, caller, account_id)
    async with resources.pool.connection() as connection:
        return _profile(account_id, await records.profile(connection, account_id))


async def put_profile(resources: Resources, caller: Caller, account_id: str, new: NewProfile) -> Profile:
    """Replaces the profile; fields that are left out are deleted. The payment provider gets it at the next payment."""
    await existing_account(resources, caller, account_id)
    address = new.address.model_dump() if new.address else {}
    checked = profiles.checked(records.Profile(**new.model_dump(exclude={"address"}), **address))
    async with resources.pool.connection() as connection:
        await records.put_profile(connection, account_id, checked)
    return _profile(account_id, checked)


async def list_tax_ids(resources: Resources, caller: Caller, account_id: str) -> Page[TaxId]:
    """All tax ids of an account, at most five, the oldest first."""
    await existing_account(resources, caller, account_id)
    return Page(data=[_tax_id(account_id, each) for each in await stored_tax_ids(resources, caller, account_id)])


async def stored_tax_ids(resources: Resources, caller: Caller, account_id: str) -> list[records.TaxId]:
    """The tax ids as rows."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        return await records.tax_ids(connection, account_id)


async def add_tax_id(
    resources: Resources, caller: Caller, account_id: str, new: NewTaxId, identity: RequestIdentity | None = None
) -> TaxId:
    """Adds a tax id, for the next invoices. Form and check digits are checked; adding it again changes nothing."""
    await existing_account(resources, caller, account_id)
    value = tax_ids.normalised(new.country, new.type, new.value)

    async def do() -> TaxId:
        async with resources.pool.connection() as connection:
            added = await records.add_tax_id(connection, account_id, new.country, new.type, value)
        return _tax_id(account_id, added)

    return await once(resources, caller, identity, TaxId, do)


async def delete_tax_id(resources: Resources, caller: Caller, account_id: str, tax_id: uuid.UUID) -> bool:
    """Deletes a tax id; invoices that have it keep it. False: the log does not have this yet, a worker appends it."""
    await existing_account(resources, caller, account_id)

    def delete() -> None:
        with resources.payments.connections.connection() as connection:
            records.delete_tax_id(connection, account_id, str(tax_id))

    await resources.payments.query(delete)
    return await append_ending(resources, tax_id_deleted(str(tax_id)))


def tax_id_types() -> Page[CountryTaxIdTypes]:
    """The types of all countries that have tax ids, by the English name; "EU" is the One Stop Shop."""
    names = {"EU": "European Union", **profiles.countries()}
    found = [
        CountryTaxIdTypes(
            country=country,
            name=names[country],
            types=[TaxIdType(type=kind.type, label=kind.label, example=kind.example) for kind in kinds],
        )
        for country, kinds in tax_ids.countries().items()
    ]
    return Page(data=sorted(found, key=lambda country: country.name))


def _profile(account_id: str, stored: records.Profile) -> Profile:
    fields = stored._asdict()
    address = {name: fields.pop(name) for name in BillingAddress.model_fields}
    return Profile(account_id=account_id, address=BillingAddress(**address) if address["country"] else None, **fields)


def _tax_id(account_id: str, stored: records.TaxId) -> TaxId:
    fields = stored._asdict()
    return TaxId(id=fields.pop("tax_id"), account_id=account_id, **fields)
