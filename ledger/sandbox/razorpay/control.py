"""What people do elsewhere, for tests: customers pay, banks dispute, the dashboard refunds, Razorpay settles."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from ledger.sandbox.control import sandbox_of
from ledger.sandbox.razorpay import disputes, instruments, payments, refunds, settlements
from ledger.sandbox.razorpay.errors import Refusal
from ledger.sandbox.razorpay.instruments import Instrument
from ledger.sandbox.razorpay.merchant import Call, Merchant, merchant_of
from ledger.sandbox.razorpay.passing_time import pass_time
from ledger.sandbox.razorpay.reading import shown
from ledger.sandbox.store import Document

router = APIRouter(prefix="/sandbox/razorpay", tags=["razorpay"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPayment(_Body):
    """Pays an order or a payment link. `late`: the bank authorizes it too late to be captured without being asked."""

    order_id: str | None = None
    payment_link_id: str | None = None
    card: str | None = None
    upi_id: str = "success@razorpay"
    late: bool = False


class NewRefund(_Body):
    """Refunds a payment, as on the dashboard. `amount` in paise; absent: all that is left."""

    payment_id: str
    amount: int | None = Field(None, ge=100)


class RefundStatus(_Body):
    """What becomes of refunds."""

    status: Literal["pending", "processed", "failed"]


class NewDispute(_Body):
    """A bank disputes a payment. `amount` in paise; absent: all of it."""

    payment_id: str
    amount: int | None = Field(None, ge=1)


class Decision(_Body):
    """How a dispute goes on."""

    status: disputes.Decision


def _merchant(request: Request) -> Merchant:
    return merchant_of(sandbox_of(request))


MerchantOf = Annotated[Merchant, Depends(_merchant)]


@router.post("/payments", status_code=201)
async def pay(new: NewPayment, merchant: MerchantOf) -> dict[str, Any]:
    """A customer pays, without the page."""
    return _done(merchant, lambda: _pay(merchant, new, _instrument(new)))


@router.post("/refunds", status_code=201)
async def refund(new: NewRefund, merchant: MerchantOf) -> dict[str, Any]:
    """Somebody refunds a payment on the dashboard."""
    given = {"amount": new.amount} if new.amount else {}
    return _done(merchant, lambda: refunds.create(merchant, Call(given, new.payment_id)))


@router.put("/refunds", status_code=204)
async def begin_refunds(begin: RefundStatus, merchant: MerchantOf) -> None:
    """How refunds are from now on when they are made: they stay pending, are processed (the default), or fail."""
    with merchant.store.transaction():
        refunds.begin_as(merchant, begin.status)


@router.post("/refunds/{refund_id}")
async def finish_refund(refund_id: str, end: RefundStatus, merchant: MerchantOf) -> dict[str, Any]:
    """The bank has taken a pending refund, or has not."""
    return _done(merchant, lambda: refunds.finish(merchant, refund_id, end.status))


@router.post("/disputes", status_code=201)
async def dispute(new: NewDispute, merchant: MerchantOf) -> dict[str, Any]:
    """The customer's bank disputes a payment."""
    return _done(merchant, lambda: disputes.open_(merchant, new.payment_id, new.amount))


@router.post("/disputes/{dispute_id}")
async def decide_dispute(dispute_id: str, decision: Decision, merchant: MerchantOf) -> dict[str, Any]:
    """The bank goes on with a dispute, or decides it."""
    return _done(merchant, lambda: disputes.decide(merchant, dispute_id, decision.status))


@router.post("/settlements", status_code=201)
async def settle(merchant: MerchantOf) -> dict[str, Any]:
    """Razorpay pays out what it holds, less its fees."""
    return _done(merchant, lambda: settlements.settle(merchant))


def _pay(merchant: Merchant, new: NewPayment, instrument: Instrument) -> Document:
    if new.payment_link_id is not None:
        return payments.pay_link(merchant, new.payment_link_id, instrument, late=new.late)
    return payments.pay(merchant, merchant.get("order", new.order_id or ""), instrument, {}, late=new.late)


def _instrument(new: NewPayment) -> Instrument:
    found = instruments.card(new.card) if new.card is not None else instruments.upi(new.upi_id)
    if found is None:
        raise HTTPException(422, "This sandbox has no such card or UPI id.")
    return found


def _done(merchant: Merchant, do: Callable[[], Document]) -> Document:
    try:
        with merchant.store.transaction():
            pass_time(merchant)
            return shown(do())
    except Refusal as refusal:
        raise HTTPException(refusal.status, refusal.description) from None
