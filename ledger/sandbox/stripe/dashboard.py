"""What Stripe's dashboard, a customer's bank or Stripe itself would do: for tests and people, below /sandbox/stripe."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from ledger.sandbox.control import SandboxOf
from ledger.sandbox.parts import Sandbox
from ledger.sandbox.store import Document
from ledger.sandbox.stripe import disputes, payment_methods, payouts, refunds
from ledger.sandbox.stripe.account import Account
from ledger.sandbox.stripe.cards import CARDS
from ledger.sandbox.stripe.errors import Refusal
from ledger.sandbox.stripe.params import Currency

router = APIRouter(prefix="/sandbox/stripe", tags=["stripe"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewRefund(_Body):
    """Without `amount` (minor units): all that is left."""

    payment_intent: str
    amount: int | None = Field(None, ge=1)


class NewDispute(_Body):
    """Without `amount` (minor units): the whole payment."""

    payment_intent: str
    amount: int | None = Field(None, ge=1)
    reason: str = "fraudulent"


class Decision(_Body):
    """What the bank decides."""

    outcome: Literal["won", "lost"]


class NewPayout(_Body):
    """In which currency."""

    currency: Currency = "usd"


class Behaviour(_Body):
    """A test card's number, as which a saved card behaves from now on."""

    number: str


@router.post("/refunds", status_code=201)
async def refund(body: NewRefund, sandbox: SandboxOf) -> Document:
    """Gives money back by hand."""
    params = refunds.NewRefund(payment_intent=body.payment_intent, amount=body.amount)
    return _done(sandbox, lambda account: refunds.create(account, params))


@router.post("/refunds/{refund}/fail")
async def fail_refund(refund: str, sandbox: SandboxOf) -> Document:
    """The customer's bank did not take a refund."""
    return _done(sandbox, lambda account: refunds.fail(account, refund))


@router.post("/disputes", status_code=201)
async def dispute(body: NewDispute, sandbox: SandboxOf) -> Document:
    """A customer complains to the bank."""
    return _done(sandbox, lambda account: disputes.open_(account, body.payment_intent, body.amount, body.reason))


@router.post("/disputes/{dispute}/decide")
async def decide(dispute: str, body: Decision, sandbox: SandboxOf) -> Document:
    """The bank decides."""
    return _done(sandbox, lambda account: disputes.decide(account, dispute, body.outcome))


@router.post("/payouts", status_code=201)
async def payout(body: NewPayout, sandbox: SandboxOf) -> Document:
    """The balance goes to the bank."""
    return _done(sandbox, lambda account: payouts.make(account, body.currency))


@router.put("/payment_methods/{payment_method}", status_code=204)
async def change_card(payment_method: str, body: Behaviour, sandbox: SandboxOf) -> None:
    """The bank treats a saved card like another test card: it is lost, has no money left, or has some again."""
    if body.number not in CARDS:
        raise HTTPException(422, f"number: must be one of {', '.join(CARDS)}")
    _done(sandbox, lambda account: payment_methods.behave_like(account, payment_method, body.number))


def _done(sandbox: Sandbox, do: Callable[[Account], Document]) -> Document:
    try:
        with sandbox.store.transaction():
            return do(Account(sandbox))
    except Refusal as refusal:
        raise HTTPException(refusal.status, refusal.body["error"]["message"]) from None
