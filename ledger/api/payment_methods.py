"""Payment methods: what the provider has saved of an account's cards. Added on the provider's page, never here."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from ledger.api.accounts import AccountPath
from ledger.api.dependencies import Needs
from ledger.api.writes import known_account
from ledger.payments.gateway import Method
from ledger.payments.payment_methods import TopUpMethod
from ledger.service.caller import AccountUnknown, Caller
from ledger.views.accounts import account
from ledger.web.dependencies import ResourcesOf
from schemas.fields import Token
from schemas.http import NewPaymentMethod, Page, PageToVisit, PaymentMethod

router = APIRouter(prefix="/v1/accounts/{account_id}/payment-methods", tags=["payment methods"])
Reader = Annotated[Caller, Depends(Needs("billing:read"))]
Writer = Annotated[Caller, Depends(Needs("billing:write"))]
MethodPath = Annotated[Token, Path(description="The provider's id of a saved method.")]


@router.get("")
async def list_methods(account_id: AccountPath, resources: ResourcesOf, caller: Reader) -> Page[PaymentMethod]:
    """All saved methods, as the providers tell them now. Razorpay saves none."""
    await known_account(resources, caller, account_id)
    found = await resources.payments.call(resources.payments.methods.of, account_id)
    return Page(data=[_answer(*each) for each in found])


@router.post("", status_code=201)
async def add_method(
    account_id: AccountPath, body: NewPaymentMethod, resources: ResourcesOf, caller: Writer
) -> PageToVisit:
    """Where the customer adds a method without buying; the provider leads to `return_url` afterwards."""
    await known_account(resources, caller, account_id)
    url = await resources.payments.call(resources.payments.methods.add, account_id, body.provider, body.return_url)
    return PageToVisit(url=url)


@router.put("/{method_id}/default")
async def make_default(
    account_id: AccountPath, method_id: MethodPath, resources: ResourcesOf, caller: Writer
) -> PaymentMethod:
    """Charge this method when none is named."""
    await known_account(resources, caller, account_id)
    return _answer(*await resources.payments.call(resources.payments.methods.make_default, account_id, method_id))


@router.delete("/{method_id}", status_code=204)
async def delete_method(account_id: AccountPath, method_id: MethodPath, resources: ResourcesOf, caller: Writer) -> None:
    """Have the provider forget a method; refused with 409 while auto top-up needs it."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        row = await account(connection, account_id)
    if row is None:
        raise AccountUnknown(account_id, field="account_id")
    charged = TopUpMethod(bool(row.top_up_enabled), row.top_up_provider, row.payment_method_id)
    await resources.payments.call(resources.payments.methods.remove, account_id, method_id, charged)


def _answer(provider: str, method: Method) -> PaymentMethod:
    fields = method._asdict()
    return PaymentMethod(payment_method_id=fields.pop("method_id"), provider=provider, **fields)
