"""Disputes: a customer's bank takes a payment back until the dispute is decided."""

from typing import Literal

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.balance import DISPUTE_FEE, move
from ledger.sandbox.stripe.errors import invalid
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import DatedListParams, Params
from ledger.sandbox.stripe.stripe_account import StripeAccount

EVIDENCE_SECONDS = 9 * 86400
_CLOSED = ("won", "lost")


class Disputes(DatedListParams):
    """Parameters of a list of disputes: all, or those of one payment."""

    charge: str | None = None
    payment_intent: str | None = None


def open_(account: StripeAccount, payment_intent: str, amount: int | None, reason: str) -> Document:
    """Opens a dispute. The bank takes `amount`, or the whole payment."""
    intent = account.get("payment_intent", payment_intent)
    if intent["status"] != "succeeded":
        raise invalid(f"The payment {payment_intent} is {intent['status']}.")
    charge = account.get("charge", intent["latest_charge"])
    if charge["disputed"]:
        raise invalid(f"The charge {charge['id']} is disputed already.")
    taken = amount if amount is not None else charge["amount"]
    if not 1 <= taken <= charge["amount"]:
        raise invalid(f"The amount must be between 1 and {charge['amount']}.", "amount")
    dispute = _make(account, charge, taken, reason)
    account.put(charge | {"disputed": True})
    account.emit("charge.dispute.created", dispute)
    account.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _make(account: StripeAccount, charge: Document, amount: int, reason: str) -> Document:
    dispute = account.make(
        "dispute",
        amount=amount,
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence={},
        evidence_details={
            "due_by": account.now + EVIDENCE_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        is_charge_refundable=False,
        metadata={},
        payment_intent=charge["payment_intent"],
        payment_method_details={"type": "card", "card": {"brand": "visa", "network_reason_code": "10"}},
        reason=reason,
        status="needs_response",
    )
    movement = move(account, "adjustment", dispute, -amount, DISPUTE_FEE, f"Chargeback withdrawal for {charge['id']}")
    return account.put(dispute | {"balance_transactions": [movement]})


def decide(account: StripeAccount, dispute_id: str, outcome: Literal["won", "lost"]) -> Document:
    """Decides a dispute. If it is won, the amount comes back."""
    dispute = account.get("dispute", dispute_id)
    if dispute["status"] in _CLOSED:
        raise invalid("This dispute is already closed", code="dispute_already_closed")
    if outcome == "won":
        movement = move(account, "adjustment", dispute, dispute["amount"], -DISPUTE_FEE, "Chargeback reversal")
        dispute["balance_transactions"].append(movement)
    closed = account.put(dispute | {"status": outcome})
    if outcome == "won":
        account.emit("charge.dispute.funds_reinstated", closed)
    account.emit("charge.dispute.closed", closed)
    return closed


def close(account: StripeAccount, _params: Params, dispute: str) -> Document:
    """Accepts the dispute, which loses it."""
    return decide(account, dispute, "lost")


def retrieve(account: StripeAccount, _params: Params, dispute: str) -> Document:
    """One dispute."""
    return account.get("dispute", dispute)


def list_(account: StripeAccount, params: Disputes) -> Document:
    """Disputes, newest first."""
    asked = params.model_dump(include={"charge", "payment_intent"}, exclude_none=True)
    return account.page("/v1/disputes", account.find("dispute", **asked), params)


OPERATIONS = (
    Operation("disputes.list", "GET", "/v1/disputes", Disputes, list_),
    Operation("disputes.retrieve", "GET", "/v1/disputes/{dispute}", Params, retrieve),
    Operation("disputes.close", "POST", "/v1/disputes/{dispute}/close", Params, close),
)
