"""Routes: payment methods that the providers have saved."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from ledger.api.accounts import AccountPath
from ledger.api.dependencies import Needs
from ledger.service import payment_methods as service
from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf
from schemas.fields import Token
from schemas.http import NewPaymentMethod, Page, PageToVisit, PaymentMethod

router = APIRouter(prefix="/v1/accounts/{account_id}/payment-methods", tags=["payment methods"])
Reader = Annotated[Caller, Depends(Needs("billing:read"))]
Writer = Annotated[Caller, Depends(Needs("billing:write"))]
MethodPath = Annotated[Token, Path(description="The provider's id of a saved method.")]


@router.get("")
async def list_methods(account_id: AccountPath, resources: ResourcesOf, caller: Reader) -> Page[PaymentMethod]:
    """All saved methods, as the providers list them now. Razorpay saves none."""
    return await service.list_methods(resources, caller, account_id)


@router.post("", status_code=201)
async def add_method(
    account_id: AccountPath, body: NewPaymentMethod, resources: ResourcesOf, caller: Writer
) -> PageToVisit:
    """The page where the customer adds a method without buying. The provider leads back to `return_url`."""
    return await service.add_method(resources, caller, account_id, body)


@router.put("/{method_id}/default")
async def make_default(
    account_id: AccountPath, method_id: MethodPath, resources: ResourcesOf, caller: Writer
) -> PaymentMethod:
    """Charge this method when none is named."""
    return await service.make_default(resources, caller, account_id, method_id)


@router.delete("/{method_id}", status_code=204)
async def delete_method(account_id: AccountPath, method_id: MethodPath, resources: ResourcesOf, caller: Writer) -> None:
    """Delete a method at the provider; refused with 409 while auto top-up needs it."""
    await service.delete_method(resources, caller, account_id, method_id)
