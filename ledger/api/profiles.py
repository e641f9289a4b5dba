"""Routes: profiles and tax ids. Personal data is in bodies only: not in paths, not in errors, not in our logs."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from ledger.api.accounts import AccountPath
from ledger.api.answers import ENDED_LATER, ended
from ledger.api.dependencies import IdentityOf, Needs
from ledger.service import profiles as service
from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf
from schemas.http import CountryTaxIdTypes, NewProfile, NewTaxId, Page, Profile, TaxId

router = APIRouter(prefix="/v1", tags=["profile"])
Reader = Annotated[Caller, Depends(Needs("billing:read"))]
Writer = Annotated[Caller, Depends(Needs("billing:write"))]
TaxIdPath = Annotated[uuid.UUID, Path(description="The id of a tax id.")]


@router.get("/accounts/{account_id}/profile")
async def get_profile(account_id: AccountPath, resources: ResourcesOf, caller: Reader) -> Profile:
    """Name, billing address, e-mail, time zone and locale; null where the customer gave nothing."""
    return await service.get_profile(resources, caller, account_id)


@router.put("/accounts/{account_id}/profile")
async def put_profile(account_id: AccountPath, body: NewProfile, resources: ResourcesOf, caller: Writer) -> Profile:
    """Replace the profile; fields that are left out are deleted. The payment provider gets it at the next payment."""
    return await service.put_profile(resources, caller, account_id, body)


@router.get("/accounts/{account_id}/tax-ids")
async def list_tax_ids(account_id: AccountPath, resources: ResourcesOf, caller: Reader) -> Page[TaxId]:
    """All tax ids, at most five, the oldest first."""
    return await service.list_tax_ids(resources, caller, account_id)


@router.post("/accounts/{account_id}/tax-ids", status_code=201)
async def add_tax_id(
    account_id: AccountPath, body: NewTaxId, resources: ResourcesOf, caller: Writer, identity: IdentityOf
) -> TaxId:
    """Add a tax id, for the next invoices. Form and check digits are checked; adding it again changes nothing."""
    return await service.add_tax_id(resources, caller, account_id, body, identity)


@router.delete(
    "/accounts/{account_id}/tax-ids/{tax_id}", status_code=204, response_class=Response, responses=ENDED_LATER
)
async def delete_tax_id(account_id: AccountPath, tax_id: TaxIdPath, resources: ResourcesOf, caller: Writer) -> Response:
    """Delete a tax id; invoices that have it keep it."""
    return ended(on_the_log=await service.delete_tax_id(resources, caller, account_id, tax_id))


@router.get("/tax-id-types")
async def list_tax_id_types(caller: Reader) -> Page[CountryTaxIdTypes]:
    """The types of all countries that have tax ids, by the English name; "EU" is the One Stop Shop."""
    return service.tax_id_types()
