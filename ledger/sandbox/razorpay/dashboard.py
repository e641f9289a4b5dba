"""Control routes for Razorpay: payments without the page, the dashboard's refunds, disputes by banks, settlements."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from ledger.sandbox.control_routes import sandbox_of
from ledger.sandbox.razorpay import disputes, instruments, payments, refunds, settlements
from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.razorpay.instruments import Instrument
from ledger.sandbox.razorpay.merchant import Call, Merchant, merchant_of
from ledger.sandbox.razorpay.params import shown
from ledger.sandbox.razorpay.timers import run_due_timers
from ledger.sandbox.store import Document

router = APIRouter(prefix="/sandbox/razorpay", tags=["razorpay"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPayment(_Body):
    """Pays an order or a payment link. `late`: the bank authorizes it too late for automatic capture."""

    order_id: str | None = None
    payment_link_id: str | None = None
    card: str | None = None
    upi_id: str = "success@razorpay"
    late: bool = False


class NewRefund(_Body):
    """A refund made on the dashboard. `amount` in paise; without it, all that is left."""

    payment_id: str
    amount: int | None = Field(None, ge=100)


class RefundStatus(_Body):
    """The status that refunds get."""

    status: Literal["pending", "processed", "failed"]


class NewDispute(_Body):
    """A bank's dispute of a payment. `amount` in paise; without it, the whole payment."""

    payment_id: str
    amount: int | None = Field(None, ge=1)


class Decision(_Body):
    """The next status of a dispute."""

    status: disputes.Decision


def _merchant(request: Request) -> Merchant:
    return merchant_of(sandbox_of(request))


CurrentMerchant = Annotated[Merchant, Depends(_merchant)]


@router.post("/payments", status_code=201)
async def pay(new: NewPayment, merchant: CurrentMerchant) -> dict[str, Any]:
    """Pays as a customer does, without the page."""
    return _done(merchant, lambda: _pay(merchant, new, _instrument(new)))


@router.post("/refunds", status_code=201)
async def refund(new: NewRefund, merchant: CurrentMerchant) -> dict[str, Any]:
    """Refunds a payment, as on the dashboard."""
    params = {"amount": new.amount} if new.amount else {}
    return _done(merchant, lambda: refunds.create(merchant, Call(params, new.payment_id)))


@router.put("/refunds", status_code=204)
async def begin_refunds(begin: RefundStatus, merchant: CurrentMerchant) -> None:
    """Sets the status of new refunds: pending, processed (the default) or failed."""
    with merchant.store.transaction():
        refunds.set_initial_status(merchant, begin.status)


@router.post("/refunds/{refund_id}")
async def finish_refund(refund_id: str, end: RefundStatus, merchant: CurrentMerchant) -> dict[str, Any]:
    """Ends a pending refund: processed or failed."""
    return _done(merchant, lambda: refunds.finish(merchant, refund_id, end.status))


@router.post("/disputes", status_code=201)
async def dispute(new: NewDispute, merchant: CurrentMerchant) -> dict[str, Any]:
    """Opens a dispute, as a customer's bank does."""
    return _done(merchant, lambda: disputes.open_(merchant, new.payment_id, new.amount))


@router.post("/disputes/{dispute_id}")
async def decide_dispute(dispute_id: str, decision: Decision, merchant: CurrentMerchant) -> dict[str, Any]:
    """Moves a dispute on or decides it, as the bank does."""
    return _done(merchant, lambda: disputes.decide(merchant, dispute_id, decision.status))


@router.post("/settlements", status_code=201)
async def settle(merchant: CurrentMerchant) -> dict[str, Any]:
    """Pays out what Razorpay holds, less its fees."""
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
            run_due_timers(merchant)
            return shown(do())
    except ApiError as error:
        raise HTTPException(error.status, error.description) from None
