"""Confirmation of a payment: it succeeds, it is declined, or the card's bank asks for 3-D Secure."""

import secrets
from typing import Any

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.cards import AUTHENTICATION_FAILED, AUTHENTICATION_REQUIRED, Decline
from ledger.sandbox.stripe.charges import charge
from ledger.sandbox.stripe.errors import DECLINED_CARD, declined, invalid
from ledger.sandbox.stripe.payment_methods import (
    attach,
    card_of,
    mark_set_up,
    mark_used,
    needs_authentication,
    refuse_used,
)
from ledger.sandbox.stripe.stripe_account import StripeAccount

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


def make_intent(account: StripeAccount, amount: int, currency: str, **fields: Any) -> Document:
    """Makes a payment without an attempt. `amount`: in minor units."""
    intent = account.make("payment_intent", **_EMPTY | {"amount": amount, "currency": currency} | fields)
    return account.put(intent | {"client_secret": f"{intent['id']}_secret_{secrets.token_hex(8)}"})


def confirm(
    account: StripeAccount, intent: Document, method: Document, *, may_authenticate: bool, return_url: str | None
) -> Document:
    """Tries the payment with the method; returns the payment. Raises ApiError if it is declined.

    `may_authenticate`: the customer is present and can be sent to the bank.
    """
    if method["customer"] not in (None, intent["customer"]):
        raise invalid(
            "The provided PaymentMethod cannot be used because it is attached to another customer.", "payment_method"
        )
    refuse_used(account, method)
    if needs_authentication(account, method):
        if not may_authenticate:
            raise fail(account, intent, method, AUTHENTICATION_REQUIRED)
        return _ask(account, intent, method, return_url)
    return _settle(account, intent, method)


def authenticated(account: StripeAccount, intent: Document, *, confirmed: bool) -> Document:
    """Continues after the customer has answered the bank. Raises ApiError if the payment is declined."""
    method = account.get("payment_method", intent["payment_method"])
    if not confirmed:
        raise fail(account, intent, method, AUTHENTICATION_FAILED)
    if intent["setup_future_usage"] == "off_session":
        mark_set_up(account, method)
    return _settle(account, intent, method)


def fail(account: StripeAccount, intent: Document, method: Document, decline: Decline) -> Exception:
    """Records a declined attempt; returns the error to raise."""
    attempt = charge(account, intent, method, decline)
    details = {
        "charge": attempt["id"],
        "decline_code": decline.decline_code,
        "advice_code": decline.advice_code,
        "payment_method": method,
    }
    error = {"type": DECLINED_CARD, "code": decline.code, "message": decline.message, **details}
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
    account.emit("payment_intent.payment_failed", failed)
    return declined(decline.message, decline.code, **details, payment_intent=failed)


def _ask(account: StripeAccount, intent: Document, method: Document, return_url: str | None) -> Document:
    action: Document = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    if return_url is not None:
        to = {"return_url": return_url, "url": f"{account.pages}/authenticate/{intent['id']}"}
        action = {"type": "redirect_to_url", "redirect_to_url": to}
    changes = {"next_action": action, "payment_method": method["id"], "status": "requires_action"}
    waiting = account.put(intent | changes)
    account.emit("payment_intent.requires_action", waiting)
    return waiting


def _settle(account: StripeAccount, intent: Document, method: Document) -> Document:
    if decline := card_of(account, method).decline:
        raise fail(account, intent, method, decline)
    if intent["customer"] and intent["setup_future_usage"]:
        attach(account, method, intent["customer"])
    attempt = charge(account, intent, method, None)
    mark_used(account, method)
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
    account.emit("payment_intent.succeeded", paid)
    return paid
