"""What happens when a payment is tried: it succeeds, it is declined, or the card's bank asks for the customer."""

import secrets
from typing import Any

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.account import Account
from ledger.sandbox.stripe.cards import AUTHENTICATION_FAILED, AUTHENTICATION_REQUIRED, Decline
from ledger.sandbox.stripe.charges import charge
from ledger.sandbox.stripe.errors import DECLINED_CARD, declined, invalid
from ledger.sandbox.stripe.payment_methods import agree, attach, card_of, needs_customer, refuse_spent, spend

_EMPTY: dict[str, Any] = {
    "amount_capturable": 0,
    "amount_received": 0,
    "canceled_at": None,
    "cancellation_reason": None,
    "capture_method": "automatic_async",
    "confirmation_method": "automatic",
    "last_payment_error": None,
    "latest_charge": None,
    "next_action": None,
    "payment_method": None,
    "payment_method_types": ["card"],
    "processing": None,
    "receipt_email": None,
    "shipping": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "status": "requires_payment_method",
}


def make_intent(account: Account, amount: int, currency: str, **fields: Any) -> Document:
    """A payment that nobody has tried. `amount`: in minor units."""
    intent = account.make("payment_intent", **_EMPTY | {"amount": amount, "currency": currency} | fields)
    return account.put(intent | {"client_secret": f"{intent['id']}_secret_{secrets.token_hex(8)}"})


def confirm(account: Account, intent: Document, method: Document, *, may_ask: bool, return_url: str | None) -> Document:
    """Tries the payment with the method; the payment as it stands then. Raises a Refusal when it is declined.

    `may_ask`: the customer is there, and can be sent to the bank.
    """
    if method["customer"] not in (None, intent["customer"]):
        raise invalid(
            "The provided PaymentMethod cannot be used because it is attached to another customer.", "payment_method"
        )
    refuse_spent(account, method)
    if needs_customer(account, method):
        if not may_ask:
            raise fail(account, intent, method, AUTHENTICATION_REQUIRED)
        return _ask(account, intent, method, return_url)
    return _settle(account, intent, method)


def authenticated(account: Account, intent: Document, *, confirmed: bool) -> Document:
    """The customer has answered the bank. Raises a Refusal when the payment is declined then."""
    method = account.get("payment_method", intent["payment_method"])
    if not confirmed:
        raise fail(account, intent, method, AUTHENTICATION_FAILED)
    if intent["setup_future_usage"] == "off_session":
        agree(account, method)
    return _settle(account, intent, method)


def fail(account: Account, intent: Document, method: Document, decline: Decline) -> Exception:
    """Notes a declined attempt; the refusal to raise."""
    attempt = charge(account, intent, method, decline)
    said = {
        "charge": attempt["id"],
        "decline_code": decline.decline_code,
        "advice_code": decline.advice_code,
        "payment_method": method,
    }
    error = {"type": DECLINED_CARD, "code": decline.code, "message": decline.message, **said}
    failed = account.put(
        intent
        | {
            "last_payment_error": {name: value for name, value in error.items() if value},
            "latest_charge": attempt["id"],
            "next_action": None,
            "payment_method": None,
            "status": "requires_payment_method",
        }
    )
    account.tell("payment_intent.payment_failed", failed)
    return declined(decline.message, decline.code, **said, payment_intent=failed)


def _ask(account: Account, intent: Document, method: Document, return_url: str | None) -> Document:
    action: Document = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    if return_url is not None:
        to = {"return_url": return_url, "url": f"{account.pages}/authenticate/{intent['id']}"}
        action = {"type": "redirect_to_url", "redirect_to_url": to}
    changes = {"next_action": action, "payment_method": method["id"], "status": "requires_action"}
    waiting = account.put(intent | changes)
    account.tell("payment_intent.requires_action", waiting)
    return waiting


def _settle(account: Account, intent: Document, method: Document) -> Document:
    if decline := card_of(account, method).decline:
        raise fail(account, intent, method, decline)
    if intent["customer"] and intent["setup_future_usage"]:
        attach(account, method, intent["customer"])
    attempt = charge(account, intent, method, None)
    spend(account, method)
    paid = account.put(
        intent
        | {
            "amount_received": intent["amount"],
            "last_payment_error": None,
            "latest_charge": attempt["id"],
            "next_action": None,
            "payment_method": method["id"],
            "status": "succeeded",
        }
    )
    account.tell("payment_intent.succeeded", paid)
    return paid
