"""Profiles and tax ids: who a customer is, for payments and invoices. Kept in `records`, never on the log.

Personal data is in bodies only: not in paths, not in errors, not in our logs.
"""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from ledger.api.accounts import AccountPath
from ledger.api.dependencies import Needs
from ledger.api.idempotency import Once
from ledger.api.writes import known_account
from ledger.payments import profiles, tax_ids
from ledger.records import profiles as records
from ledger.records.idempotency import Answer
from ledger.records.log_events import tax_id_deleted
from ledger.service.caller import Caller
from ledger.service.endings import WAITS, say
from ledger.web.dependencies import ResourcesOf
from schemas.http import (
    BillingAddress,
    CountryTaxIdTypes,
    NewProfile,
    NewTaxId,
    Page,
    Profile,
    TaxId,
    TaxIdType,
)

router = APIRouter(prefix="/v1", tags=["profile"])
Reader = Annotated[Caller, Depends(Needs("billing:read"))]
Writer = Annotated[Caller, Depends(Needs("billing:write"))]
TaxIdPath = Annotated[uuid.UUID, Path(description="The id of a tax id.")]


@router.get("/accounts/{account_id}/profile")
async def get_profile(account_id: AccountPath, resources: ResourcesOf, caller: Reader) -> Profile:
    """Name, billing address, e-mail, time zone and locale; null where nothing was said."""
    await known_account(resources, caller, account_id)
    async with resources.pool.connection() as connection:
        return _answer(account_id, await records.profile(connection, account_id))


@router.put("/accounts/{account_id}/profile")
async def put_profile(account_id: AccountPath, body: NewProfile, resources: ResourcesOf, caller: Writer) -> Profile:
    """Replace the profile; what is left out is forgotten. The payment provider is told at the next payment."""
    await known_account(resources, caller, account_id)
    address = body.address.model_dump() if body.address else {}
    new = profiles.checked(records.Profile(**body.model_dump(exclude={"address"}), **address))
    async with resources.pool.connection() as connection:
        await records.put_profile(connection, account_id, new)
    return _answer(account_id, new)


@router.get("/accounts/{account_id}/tax-ids")
async def list_tax_ids(account_id: AccountPath, resources: ResourcesOf, caller: Reader) -> Page[TaxId]:
    """All tax ids, at most five, the oldest first."""
    await known_account(resources, caller, account_id)
    async with resources.pool.connection() as connection:
        return Page(data=[_tax_id(account_id, found) for found in await records.tax_ids(connection, account_id)])


@router.post("/accounts/{account_id}/tax-ids", status_code=201, response_model=TaxId)
async def add_tax_id(
    account_id: AccountPath, body: NewTaxId, resources: ResourcesOf, caller: Writer, asked: Once
) -> Response:
    """Add a tax id, for the next invoices. Form and check digits are checked; the same one again is one."""
    await known_account(resources, caller, account_id)
    value = tax_ids.normalised(body.country, body.type, body.value)
    reserved = await asked.reserve(resources.pool, caller)
    if reserved.answer is not None:
        return asked.response(reserved.answer)
    async with resources.pool.connection() as connection:
        added = await records.add_tax_id(connection, account_id, body.country, body.type, value)
    return await asked.keep(resources.pool, caller, Answer(201, _tax_id(account_id, added).model_dump(mode="json")))


@router.delete("/accounts/{account_id}/tax-ids/{tax_id}", status_code=204, response_class=Response, responses=WAITS)
async def delete_tax_id(account_id: AccountPath, tax_id: TaxIdPath, resources: ResourcesOf, caller: Writer) -> Response:
    """Delete a tax id; invoices that have it keep it."""
    await known_account(resources, caller, account_id)

    def delete() -> None:
        with resources.payments.connections.connection() as connection:
            records.delete_tax_id(connection, account_id, str(tax_id))

    await resources.payments.query(delete)
    return Response(status_code=await say(resources, tax_id_deleted(str(tax_id))))


@router.get("/tax-id-types")
async def list_tax_id_types(caller: Reader) -> Page[CountryTaxIdTypes]:
    """The types of every country that has any, by its English name; "EU" is the One Stop Shop."""
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


def _answer(account_id: str, stored: records.Profile) -> Profile:
    fields = stored._asdict()
    address = {name: fields.pop(name) for name in BillingAddress.model_fields}
    return Profile(account_id=account_id, address=BillingAddress(**address) if address["country"] else None, **fields)


def _tax_id(account_id: str, stored: records.TaxId) -> TaxId:
    fields = stored._asdict()
    return TaxId(id=fields.pop("tax_id"), account_id=account_id, **fields)
