"""Charges: one attempt of a payment and its result at the bank. Their sum is what a customer has really paid."""

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.balance import fee_of, move
from ledger.sandbox.stripe.cards import Decline
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import DatedListParams, Params
from ledger.sandbox.stripe.stripe_account import StripeAccount


class Charges(DatedListParams):
    """Parameters of a list of charges: of a customer, or of a payment."""

    customer: str | None = None
    payment_intent: str | None = None


def charge(account: StripeAccount, intent: Document, method: Document, decline: Decline | None) -> Document:
    """Makes one attempt. Money moves unless the bank declines."""
    made = account.make("charge", **_fields(intent, method, decline))
    if decline is None:
        movement = move(account, "charge", made, made["amount"], fee_of(made["amount"]), made["description"])
        account.put(made | {"balance_transaction": movement["id"]})
        made["balance_transaction"] = movement["id"]
    account.emit("charge.failed" if decline else "charge.succeeded", made)
    return made


def _fields(intent: Document, method: Document, decline: Decline | None) -> Document:
    paid = decline is None
    outcome = {
        "advice_code": decline.advice_code if decline else None,
        "network_status": "approved_by_network" if paid else "declined_by_network",
        "reason": (decline.decline_code or decline.code) if decline else None,
        "risk_level": "normal",
        "seller_message": "Payment complete." if paid else "The bank did not return any further details.",
        "type": "authorized" if paid else "issuer_declined",
    }
    return {
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if paid else 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "captured": paid,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "metadata": intent["metadata"],
        "outcome": outcome,
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"type": "card", "card": method["card"]},
        "receipt_email": None,
        "receipt_url": None,
        "refunded": False,
        "status": "succeeded" if paid else "failed",
    }


def list_(account: StripeAccount, params: Charges) -> Document:
    """Charges, newest first."""
    asked = params.model_dump(include={"customer", "payment_intent"}, exclude_none=True)
    return account.page("/v1/charges", account.find("charge", **asked), params)


def retrieve(account: StripeAccount, _params: Params, charge: str) -> Document:
    """One charge."""
    return account.get("charge", charge)


OPERATIONS = (
    Operation("charges.list", "GET", "/v1/charges", Charges, list_),
    Operation("charges.retrieve", "GET", "/v1/charges/{charge}", Params, retrieve),
)
