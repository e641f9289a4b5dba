"""Setup intents: a card is saved without a payment, and its bank agrees to later charges."""

import secrets

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.cards import AUTHENTICATION_FAILED
from ledger.sandbox.stripe.errors import DECLINED_CARD, ApiError, declined
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import Params
from ledger.sandbox.stripe.payment_methods import attach, mark_set_up, needs_authentication
from ledger.sandbox.stripe.stripe_account import StripeAccount


def make(account: StripeAccount, customer: str | None, metadata: dict[str, str], description: str | None) -> Document:
    """Makes a setup without an attempt."""
    intent = account.make(
        "setup_intent",
        cancellation_reason=None,
        customer=customer,
        description=description,
        last_setup_error=None,
        latest_attempt=None,
        mandate=None,
        metadata=metadata,
        next_action=None,
        payment_method=None,
        payment_method_types=["card"],
        status="requires_payment_method",
        usage="off_session",
    )
    account.put(intent | {"client_secret": f"{intent['id']}_secret_{secrets.token_hex(8)}"})
    account.emit("setup_intent.created", intent)
    return account.get("setup_intent", intent["id"])


def confirm(account: StripeAccount, intent: Document, method: Document, return_url: str) -> Document:
    """Saves the method, or sends the customer to the bank first. Raises ApiError if it is declined."""
    if not needs_authentication(account, method):
        return _succeed(account, intent, method)
    to = {"return_url": return_url, "url": f"{account.pages}/authenticate/{intent['id']}"}
    action = {"type": "redirect_to_url", "redirect_to_url": to}
    changes = {"next_action": action, "payment_method": method["id"], "status": "requires_action"}
    return account.put(intent | changes)


def authenticated(account: StripeAccount, intent: Document, *, confirmed: bool) -> Document:
    """Continues after the customer has answered the bank."""
    method = account.get("payment_method", intent["payment_method"])
    if confirmed:
        return _succeed(account, intent, method)
    message, code = AUTHENTICATION_FAILED.message, "setup_intent_authentication_failure"
    _fail(account, intent, {"type": DECLINED_CARD, "code": code, "message": message})
    raise declined(message, code)


def _succeed(account: StripeAccount, intent: Document, method: Document) -> Document:
    mark_set_up(account, method)
    if intent["customer"]:
        try:
            attach(account, method, intent["customer"])
        except ApiError as error:
            _fail(account, intent, error.body["error"])
            raise
    changes = {"next_action": None, "payment_method": method["id"], "status": "succeeded", "last_setup_error": None}
    done = account.put(intent | changes)
    account.emit("setup_intent.succeeded", done)
    return done


def _fail(account: StripeAccount, intent: Document, error: Document) -> None:
    changes = {"next_action": None, "payment_method": None, "status": "requires_payment_method"}
    failed = account.put(intent | changes | {"last_setup_error": error})
    account.emit("setup_intent.setup_failed", failed)


def retrieve(account: StripeAccount, _params: Params, intent: str) -> Document:
    """One setup."""
    return account.get("setup_intent", intent)


OPERATIONS = (Operation("setup_intents.retrieve", "GET", "/v1/setup_intents/{intent}", Params, retrieve),)
