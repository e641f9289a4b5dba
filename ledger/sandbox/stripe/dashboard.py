"""Control routes for Stripe: what its dashboard, a customer's bank or Stripe itself does. Below /sandbox/stripe."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from ledger.sandbox.control_routes import CurrentSandbox
from ledger.sandbox.sandbox import Sandbox
from ledger.sandbox.store import Document
from ledger.sandbox.stripe import disputes, payment_methods, payouts, refunds
from ledger.sandbox.stripe.cards import CARDS
from ledger.sandbox.stripe.errors import ApiError
from ledger.sandbox.stripe.params import Currency
from ledger.sandbox.stripe.stripe_account import StripeAccount

router = APIRouter(prefix="/sandbox/stripe", tags=["stripe"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewRefund(_Body):
    """A refund. `amount` in minor units; without it, all that is left."""

    payment_intent: str
    amount: int | None = Field(None, ge=1)


class NewDispute(_Body):
    """A dispute. `amount` in minor units; without it, the whole payment."""

    payment_intent: str
    amount: int | None = Field(None, ge=1)
    reason: str = "fraudulent"


class Decision(_Body):
    """The bank's decision."""

    outcome: Literal["won", "lost"]


class NewPayout(_Body):
    """The currency of a payout."""

    currency: Currency = "usd"


class Behaviour(_Body):
    """The number of the test card that a saved card behaves like from now on."""

    number: str


@router.post("/refunds", status_code=201)
async def refund(body: NewRefund, sandbox: CurrentSandbox) -> Document:
    """Refunds a payment by hand."""
    params = refunds.NewRefund(payment_intent=body.payment_intent, amount=body.amount)
    return _done(sandbox, lambda account: refunds.create(account, params))


@router.post("/refunds/{refund}/fail")
async def fail_refund(refund: str, sandbox: CurrentSandbox) -> Document:
    """Fails a refund, as when the customer's bank rejects it."""
    return _done(sandbox, lambda account: refunds.fail(account, refund))


@router.post("/disputes", status_code=201)
async def dispute(body: NewDispute, sandbox: CurrentSandbox) -> Document:
    """Opens a dispute, as a customer's bank does."""
    return _done(sandbox, lambda account: disputes.open_(account, body.payment_intent, body.amount, body.reason))


@router.post("/disputes/{dispute}/decide")
async def decide(dispute: str, body: Decision, sandbox: CurrentSandbox) -> Document:
    """Decides a dispute, as the bank does."""
    return _done(sandbox, lambda account: disputes.decide(account, dispute, body.outcome))


@router.post("/payouts", status_code=201)
async def payout(body: NewPayout, sandbox: CurrentSandbox) -> Document:
    """Pays the balance out to the bank."""
    return _done(sandbox, lambda account: payouts.make(account, body.currency))


@router.put("/payment_methods/{payment_method}", status_code=204)
async def change_card(payment_method: str, body: Behaviour, sandbox: CurrentSandbox) -> None:
    """Makes a saved card behave like another test card: lost, without money, or working again."""
    if body.number not in CARDS:
        raise HTTPException(422, f"number: must be one of {', '.join(CARDS)}")
    _done(sandbox, lambda account: payment_methods.behave_like(account, payment_method, body.number))


def _done(sandbox: Sandbox, do: Callable[[StripeAccount], Document]) -> Document:
    try:
        with sandbox.store.transaction():
            return do(StripeAccount(sandbox))
    except ApiError as error:
        raise HTTPException(error.status, error.body["error"]["message"]) from None
