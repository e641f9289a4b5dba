"""Purchases: begun here, paid at the provider, credited when the provider says that it is paid; and refunds of them."""

import asyncio
import hashlib
import time
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from ledger.api.accounts import AccountPath
from ledger.api.dependencies import Needs
from ledger.api.idempotency import Asked, Once
from ledger.api.writes import known_account
from ledger.core.purchasing import check_purchase
from ledger.payments.payment_events import purchase_event_id, refund_event_id
from ledger.payments.public_urls import pay_url
from ledger.payments.purchases import PurchaseRequest, purchase_limits
from ledger.payments.refunds import Refunded
from ledger.records.checkouts import Checkout, CheckoutState
from ledger.records.idempotency import Answer
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from ledger.views.purchases import PurchaseUnknown
from ledger.web.dependencies import ResourcesOf
from schemas.fields import Token
from schemas.http import Money, NewPurchase, NewRefund, Purchase, PurchaseState, Refund, RefundedMoney
from schemas.money import format_nanos, parse_nanos

_POLL_SECONDS = 0.05

router = APIRouter(prefix="/v1/accounts/{account_id}/purchases", tags=["purchases"])
Reader = Annotated[Caller, Depends(Needs("billing:read"))]
Buyer = Annotated[Caller, Depends(Needs("purchases:write"))]
Refunder = Annotated[Caller, Depends(Needs("refunds:write"))]
PurchasePath = Annotated[Token, Path(description="The id of a purchase.")]

_STATES: dict[CheckoutState, PurchaseState] = {
    "created": "pending",
    "begun": "pending",
    "credited": "paid",
    "failed": "failed",
    "expired": "expired",
    "mismatched": "mismatched",
}


@router.post("", status_code=201, response_model=Purchase)
async def buy(
    account_id: AccountPath, body: NewPurchase, resources: ResourcesOf, caller: Buyer, asked: Once
) -> Response:
    """Buy credits: the customer goes on at `pay_url`; a saved method is charged at once.

    After a 503 repeat it with the same Idempotency-Key: it is the same purchase, and is paid once.
    """
    await known_account(resources, caller, account_id)
    credits, limits = (
        parse_nanos(body.amount),
        purchase_limits(resources.settings, resources.version_now().event_nanos_max),
    )
    check_purchase(credits, limits)
    reserved = await asked.reserve(resources.pool, caller)
    if reserved.answer is not None:
        return asked.response(reserved.answer)
    request = _request(asked, caller)
    wanted = PurchaseRequest(account_id, credits, body.provider, body.payment_method_id, body.return_url, request)
    row = await resources.payments.call(resources.payments.purchases.buy, wanted, limits)
    answer = await _answer(resources, row, resources.settings.verdict_seconds)
    return await asked.keep(resources.pool, caller, Answer(201, answer.model_dump(mode="json")))


@router.get("/{purchase_id}")
async def get_purchase(
    account_id: AccountPath, purchase_id: PurchasePath, resources: ResourcesOf, caller: Reader
) -> Purchase:
    """Where a purchase stands."""
    caller.reach(account_id)
    row = await resources.payments.query(resources.payments.purchases.get, purchase_id)
    if row.account_id != account_id:
        raise PurchaseUnknown(field="purchase_id")
    return await _answer(resources, row)


@router.post("/{purchase_id}/refunds", status_code=201, response_model=Refund)
async def refund(
    account_id: AccountPath,
    purchase_id: PurchasePath,
    body: NewRefund,
    resources: ResourcesOf,
    caller: Refunder,
    asked: Once,
) -> Response:
    """Give money back, and take the credits; what was spent of them becomes a negative balance."""
    await known_account(resources, caller, account_id)
    reserved = await asked.reserve(resources.pool, caller)
    if reserved.answer is not None:
        return asked.response(reserved.answer)
    credits = None if body.amount is None else parse_nanos(body.amount)
    request = _request(asked, caller) or str(uuid.uuid4())
    done = await resources.payments.call(resources.payments.refunds.request, account_id, purchase_id, credits, request)
    if done.outcome == "refunded":  # the next one is measured by what is left after it
        event_id = refund_event_id(account_id, done.provider, done.refund.refund_id)
        await _shown(resources, account_id, event_id, resources.settings.verdict_seconds)
    return await asked.keep(resources.pool, caller, Answer(201, _refund(purchase_id, done).model_dump(mode="json")))


async def credits_are_there(resources: Resources, row: Checkout) -> bool:
    """Whether the account's balance has them."""
    event_id = purchase_event_id(row.account_id, row.checkout_id)
    return await resources.verdicts.posted(event_id, row.account_id) is not None


async def _shown(resources: Resources, account_id: str, event_id: str, seconds: float) -> bool:
    """Whether the views show an event that was appended, at the latest after as long as other writes wait."""
    deadline = time.monotonic() + seconds
    while await resources.verdicts.posted(event_id, account_id) is None:
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _request(asked: Asked, caller: Caller) -> str | None:
    """What makes a repeated request the same; None without an Idempotency-Key."""
    if asked.key is None:
        return None
    return hashlib.sha256(f"{caller.owner}\n{asked.key}\n".encode() + asked.request_hash).hexdigest()


async def _answer(resources: Resources, row: Checkout, seconds: float = 0) -> Purchase:
    """`seconds`: how long it waits for the credits of what is paid."""
    state = _STATES[row.state]
    event_id = purchase_event_id(row.account_id, row.checkout_id)
    if state == "paid" and await _shown(resources, row.account_id, event_id, seconds):
        state = "credited"
    return Purchase(
        purchase_id=row.checkout_id,
        account_id=row.account_id,
        state=state,
        credits=format_nanos(row.credits),
        provider=row.provider,
        charged=Money(currency=row.currency, amount_minor=row.amount_minor, tax_minor=row.tax_minor),
        fx_rate=row.fx_rate,
        pay_url=pay_url(resources.settings, row.checkout_id),
        failure=row.failure,
        created_at=row.created_at,
    )


def _refund(purchase_id: str, done: Refunded) -> Refund:
    said = done.refund
    return Refund(
        refund_id=said.refund_id,
        purchase_id=purchase_id,
        state=said.status,
        provider=done.provider,
        charged=RefundedMoney(currency=said.currency, amount_minor=said.amount_minor),
    )
