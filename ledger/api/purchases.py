"""Routes: purchases are begun and read; money of a purchase is given back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from ledger.api.accounts import AccountPath
from ledger.api.dependencies import IdentityOf, Needs
from ledger.service import purchases, refunds
from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf
from schemas.fields import Token
from schemas.http import NewPurchase, NewRefund, PurchaseAnswer, Refund

router = APIRouter(prefix="/v1/accounts/{account_id}/purchases", tags=["purchases"])
Reader = Annotated[Caller, Depends(Needs("billing:read"))]
Buyer = Annotated[Caller, Depends(Needs("purchases:write"))]
Refunder = Annotated[Caller, Depends(Needs("refunds:write"))]
PurchasePath = Annotated[Token, Path(description="The id of a purchase.")]


@router.post("", status_code=201)
async def buy(
    account_id: AccountPath, body: NewPurchase, resources: ResourcesOf, caller: Buyer, identity: IdentityOf
) -> PurchaseAnswer:
    """Buy credits: the customer continues at `pay_url`; a saved method is charged at once.

    After a 503 repeat it with the same Idempotency-Key: it is the same purchase, and is paid once.
    """
    return await purchases.buy(resources, caller, account_id, body, identity)


@router.get("/{purchase_id}")
async def get_purchase(
    account_id: AccountPath, purchase_id: PurchasePath, resources: ResourcesOf, caller: Reader
) -> PurchaseAnswer:
    """How far a purchase is."""
    return await purchases.get_purchase(resources, caller, account_id, purchase_id)


@router.post("/{purchase_id}/refunds", status_code=201)
async def refund(
    account_id: AccountPath,
    purchase_id: PurchasePath,
    body: NewRefund,
    resources: ResourcesOf,
    caller: Refunder,
    identity: IdentityOf,
) -> Refund:
    """Give money back, and take the credits. Credits that were spent already make the balance negative."""
    return await refunds.refund(resources, caller, account_id, purchase_id, body, identity)
