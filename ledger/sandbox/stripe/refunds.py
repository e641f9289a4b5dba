"""Refunds of a payment, up to what is left of it."""

from typing import Literal

from pydantic import Field

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.balance import move
from ledger.sandbox.stripe.errors import invalid
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import DatedListParams, Metadata, Params, Whole
from ledger.sandbox.stripe.stripe_account import StripeAccount


class NewRefund(Params):
    """A refund of a payment, by its charge or its intent. Without `amount`: all that is left."""

    amount: Whole | None = Field(None, ge=1)
    charge: str | None = None
    metadata: Metadata = Field({})
    payment_intent: str | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None


class Refunds(DatedListParams):
    """Parameters of a list of refunds: all, or those of one payment."""

    charge: str | None = None
    payment_intent: str | None = None


def create(account: StripeAccount, params: NewRefund) -> Document:
    """Refunds a payment."""
    charge = _charge(account, params)
    amount = params.amount or charge["amount"] - charge["amount_refunded"]
    _refuse(charge, amount)
    refund = account.make(
        "refund",
        amount=amount,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={"type": "card", "card": {"type": "refund"}},
        metadata=params.metadata,
        payment_intent=charge["payment_intent"],
        reason=params.reason,
        receipt_number=None,
        status="succeeded",
    )
    refund = account.put(refund | {"balance_transaction": move(account, "refund", refund, -amount)["id"]})
    account.emit("refund.created", refund)
    account.emit("charge.refunded", _refunded(account, charge, amount))
    return refund


def _charge(account: StripeAccount, params: NewRefund) -> Document:
    if params.charge:
        return account.get("charge", params.charge, "charge")
    if not params.payment_intent:
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    intent = account.get("payment_intent", params.payment_intent, "payment_intent")
    if intent["status"] != "succeeded":
        raise invalid(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
    return account.get("charge", intent["latest_charge"])


def _refuse(charge: Document, amount: int) -> None:
    left = charge["amount"] - charge["amount_refunded"]
    if charge["disputed"]:
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if charge["refunded"]:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid(message, code="charge_already_refunded")
    if amount > left or amount < 1:
        raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", "amount")


def _refunded(account: StripeAccount, charge: Document, amount: int) -> Document:
    total = charge["amount_refunded"] + amount
    return account.put(charge | {"amount_refunded": total, "refunded": total == charge["amount"]})


def fail(account: StripeAccount, refund_id: str) -> Document:
    """Fails a refund, because the customer's bank rejects it: the money comes back to the account."""
    refund = account.get("refund", refund_id)
    if refund["status"] != "succeeded":
        raise invalid(f"The refund {refund_id} is {refund['status']}.")
    movement = move(account, "refund_failure", refund, refund["amount"])
    changes = {"failure_balance_transaction": movement["id"], "failure_reason": "declined", "status": "failed"}
    failed = account.put(refund | changes)
    _refunded(account, account.get("charge", refund["charge"]), -refund["amount"])
    account.emit("refund.failed", failed)
    return failed


def retrieve(account: StripeAccount, _params: Params, refund: str) -> Document:
    """One refund."""
    return account.get("refund", refund)


def list_(account: StripeAccount, params: Refunds) -> Document:
    """Refunds, newest first."""
    asked = params.model_dump(include={"charge", "payment_intent"}, exclude_none=True)
    return account.page("/v1/refunds", account.find("refund", **asked), params)


OPERATIONS = (
    Operation("refunds.create", "POST", "/v1/refunds", NewRefund, create),
    Operation("refunds.list", "GET", "/v1/refunds", Refunds, list_),
    Operation("refunds.retrieve", "GET", "/v1/refunds/{refund}", Params, retrieve),
)
