"""Payment intents: one payment with all its attempts."""

from typing import Literal

from pydantic import Field

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.confirmation import confirm, make_intent
from ledger.sandbox.stripe.errors import invalid
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import Currency, DatedListParams, Metadata, NestedParams, Params, Whole
from ledger.sandbox.stripe.payment_methods import method_of
from ledger.sandbox.stripe.stripe_account import StripeAccount

CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
AMOUNT_MIN, AMOUNT_MAX = 50, 99_999_999


class AutomaticMethods(NestedParams):
    """Any payment method that suits the customer."""

    enabled: bool
    allow_redirects: Literal["always", "never"] = "always"


class Confirm(Params):
    """How a payment is tried."""

    error_on_requires_action: bool = False
    off_session: bool = False
    payment_method: str | None = None
    receipt_email: str | None = None
    return_url: str | None = None
    setup_future_usage: Literal["off_session", "on_session"] | None = None


class NewPaymentIntent(Confirm):
    """A payment. With `confirm` it is tried at once."""

    amount: Whole
    automatic_payment_methods: AutomaticMethods | None = None
    allowed_payment_method_types: list[str] = Field(["card"])
    capture_method: Literal["automatic", "automatic_async"] = "automatic_async"
    confirm: bool = False
    confirmation_method: Literal["automatic"] = "automatic"
    currency: Currency
    customer: str | None = None
    description: str | None = None
    metadata: Metadata = Field({})
    statement_descriptor_suffix: str | None = Field(None, max_length=22)


class Cancel(Params):
    """Why a payment is cancelled."""

    cancellation_reason: Literal["abandoned", "duplicate", "fraudulent", "requested_by_customer"] | None = None


class PaymentIntents(DatedListParams):
    """Parameters of a list of payments: all, or those of one customer."""

    customer: str | None = None


def create(account: StripeAccount, params: NewPaymentIntent) -> Document:
    """Creates a payment."""
    _refuse(account, params)
    intent = make_intent(
        account,
        params.amount,
        params.currency,
        customer=params.customer,
        description=params.description,
        metadata=params.metadata,
        receipt_email=params.receipt_email,
        setup_future_usage=params.setup_future_usage,
        statement_descriptor_suffix=params.statement_descriptor_suffix,
    )
    account.emit("payment_intent.created", intent)
    if params.confirm:
        return _confirm(account, intent, params)
    if params.payment_method:
        method = method_of(account, params.payment_method)
        account.put(intent | {"payment_method": method["id"], "status": "requires_confirmation"})
    return account.get("payment_intent", intent["id"])


def _refuse(account: StripeAccount, params: NewPaymentIntent) -> None:
    if params.amount < AMOUNT_MIN:
        raise invalid("Amount must convert to at least 50 cents.", "amount", "amount_too_small")
    if params.amount > AMOUNT_MAX:
        raise invalid("Amount must be no more than $999,999.99", "amount", "amount_too_large")
    if params.off_session and not params.confirm:
        raise invalid("off_session can only be used when confirm=true.", "off_session")
    if params.customer:
        account.get("customer", params.customer, "customer")


def confirm_named(account: StripeAccount, params: Confirm, intent: str) -> Document:
    """Tries a payment, for the first time or again."""
    found = account.get("payment_intent", intent)
    if found["status"] not in CANCELABLE:
        raise _unexpected(found, "confirm")
    if params.setup_future_usage:
        account.put(found | {"setup_future_usage": params.setup_future_usage})
    return _confirm(account, account.get("payment_intent", intent), params)


def _confirm(account: StripeAccount, intent: Document, params: Confirm) -> Document:
    method_id = params.payment_method or intent["payment_method"]
    if method_id is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method.",
            code="payment_intent_unexpected_state",
        )
    method = method_of(account, method_id)
    refuses_action = params.off_session or params.error_on_requires_action
    return confirm(account, intent, method, may_authenticate=not refuses_action, return_url=params.return_url)


def cancel(account: StripeAccount, params: Cancel, intent: str) -> Document:
    """Cancels a payment that has not succeeded."""
    found = account.get("payment_intent", intent)
    if found["status"] not in CANCELABLE:
        raise _unexpected(found, "cancel")
    changes = {"canceled_at": account.now, "cancellation_reason": params.cancellation_reason, "next_action": None}
    canceled = account.put(found | changes | {"status": "canceled"})
    account.emit("payment_intent.canceled", canceled)
    return canceled


def _unexpected(intent: Document, what: str) -> Exception:
    error = invalid(
        f"You cannot {what} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
    )
    error.body["error"]["payment_intent"] = intent
    return error


def retrieve(account: StripeAccount, _params: Params, intent: str) -> Document:
    """One payment."""
    return account.get("payment_intent", intent)


def list_(account: StripeAccount, params: PaymentIntents) -> Document:
    """Payments, newest first."""
    asked = params.model_dump(include={"customer"}, exclude_none=True)
    return account.page("/v1/payment_intents", account.find("payment_intent", **asked), params)


OPERATIONS = (
    Operation("payment_intents.create", "POST", "/v1/payment_intents", NewPaymentIntent, create),
    Operation("payment_intents.list", "GET", "/v1/payment_intents", PaymentIntents, list_),
    Operation("payment_intents.retrieve", "GET", "/v1/payment_intents/{intent}", Params, retrieve),
    Operation("payment_intents.confirm", "POST", "/v1/payment_intents/{intent}/confirm", Confirm, confirm_named),
    Operation("payment_intents.cancel", "POST", "/v1/payment_intents/{intent}/cancel", Cancel, cancel),
)
