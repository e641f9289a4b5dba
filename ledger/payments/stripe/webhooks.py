"""Stripe's webhooks: verified, and translated to provider updates.

The signature covers the raw bytes. It may be made with any of the secrets (two during a rotation), and must not be
older than five minutes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import stripe

from ledger.payments.gateway import (
    MethodsChanged,
    Payment,
    Payout,
    ProviderUpdate,
    Refund,
    Webhook,
    WebhookForged,
    WebhookUnreadable,
)
from ledger.payments.payment_terms import has_terms
from ledger.payments.stripe import translation

TOLERANCE_SECONDS = 300  # 0 would turn the check off
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


class UpdateReader(NamedTuple):
    """Reads the update in a webhook. Its three functions ask Stripe for what the message leaves out."""

    payment_on: Callable[[stripe.checkout.Session], Payment]
    refunds_of: Callable[[str], list[stripe.Refund]]
    payout: Callable[[stripe.Payout], Payout]

    def read(self, event: stripe.Event) -> ProviderUpdate | None:
        """The update in a message; None where the ledger has no use for it."""
        thing: Any = event.data.object
        match event.type.split("."):
            case ["payment_intent", "succeeded" | "payment_failed" | "canceled" | "processing"]:
                return translation.payment_of(thing)
            case ["checkout", "session", "completed" | "async_payment_succeeded" | "async_payment_failed" | "expired"]:
                return self._of_page(thing)
            case ["refund", "created" | "updated" | "failed"]:
                return self._of_refund(thing)
            case ["charge", "refunded"]:
                return self._of_charge(thing)
            case ["charge", "dispute", "created" | "closed" | "funds_withdrawn" | "funds_reinstated"]:
                return translation.dispute_of(thing)
            case ["payout", "paid"]:
                return self.payout(thing)
            case ["payment_method", "attached" | "automatically_updated"]:
                return _changed(thing.customer)
            case ["payment_method", "detached"]:  # it has no customer any more; its last one is meant
                return _changed(_before(event).get("customer"))
            case ["customer", "updated"] if "invoice_settings" in _before(event):  # the default method changed
                return MethodsChanged(thing.id)
        return None

    def _of_page(self, session: stripe.checkout.Session) -> ProviderUpdate | None:
        match session.mode:
            case "payment" if session.metadata and has_terms(session.metadata.to_dict()):
                return self.payment_on(session)
            case "setup" if session.status == "complete":
                return _changed(session.customer)
        return None

    def _of_refund(self, refund: stripe.Refund) -> Refund | None:
        payment_id = translation.id_of(refund.payment_intent)
        return translation.refund_of(refund, self.refunds_of(payment_id)) if payment_id else None

    def _of_charge(self, charge: stripe.Charge) -> Refund | None:
        """The message names no refund; it is about the last one."""
        payment_id = translation.id_of(charge.payment_intent)
        refunds = self.refunds_of(payment_id) if payment_id else []
        if not refunds:
            return None
        return translation.refund_of(max(refunds, key=lambda refund: (refund.created, refund.id)), refunds)


def webhook_of(
    raw: bytes, headers: Mapping[str, str], secrets: Sequence[str], client: stripe.StripeClient, reader: UpdateReader
) -> Webhook:
    """Verifies and reads a webhook. Raises WebhookForged or WebhookUnreadable, and what asking Stripe raises."""
    _verify(raw, headers.get("stripe-signature", ""), secrets)
    try:
        event = client.construct_event_without_verification(raw)
        return Webhook(event.id, event.type, event.livemode, translation.time_of(event.created), reader.read(event))
    except _UNREADABLE as error:
        raise WebhookUnreadable(type(error).__name__) from error


def _verify(raw: bytes, signature: str, secrets: Iterable[str]) -> None:
    # The client's check raises other errors for bytes that are no text.
    if not signature.isascii() or not _is_text(raw):
        raise WebhookForged
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(raw, signature, secret, TOLERANCE_SECONDS)
        except stripe.SignatureVerificationError:
            continue
        return
    raise WebhookForged


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _before(event: stripe.Event) -> Mapping[str, Any]:
    """The previous values of the fields that have changed."""
    previous = event.data.to_dict().get("previous_attributes")
    return previous or {}


def _changed(customer: str | stripe.Customer | None) -> MethodsChanged | None:
    customer_id = translation.id_of(customer)
    return MethodsChanged(customer_id) if customer_id else None
