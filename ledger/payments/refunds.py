"""Refunds: asked for by us, reported by the provider, and their bounds.

A refund debits its share of the purchase's credits once the provider says that it has succeeded. It gives back at most
what is left of the purchase.
"""

from typing import NamedTuple

from ledger.core.account import CreditedPurchase
from ledger.core.errors import AmountIsZero, ExceedsPurchase
from ledger.core.pricing import refund_minor
from ledger.payments import payment_events
from ledger.payments.event_recorder import EventRecorder
from ledger.payments.gateway import Refund
from ledger.payments.gateways import Gateways, gateway_of
from ledger.payments.incoming_payments import IncomingPayments
from ledger.payments.outcomes import RefundOutcome
from ledger.payments.payment_alerts import AlertReason
from ledger.payments.payment_terms import PaymentTerms
from ledger.views.purchases import paid
from schemas.money import format_nanos, parse_nanos


class Refunded(NamedTuple):
    """A refund that the provider accepted, and its outcome here: pending while the bank works on it."""

    provider: str
    refund: Refund
    outcome: RefundOutcome


class Refunds:
    """The refunds of all providers. Blocks while it asks providers, Postgres and the log; threads may share it."""

    def __init__(self, gateways: Gateways, payments: IncomingPayments, recorder: EventRecorder) -> None:
        self._gateways, self._payments, self._recorder = gateways, payments, recorder

    def request(self, account_id: str, purchase_id: str, credits: int | None, request: str) -> Refunded:
        """Gives back `credits` nanos of a purchase, or all that is left. The same `request` again is the same refund.

        Raises PurchaseUnknown, ExceedsPurchase, AmountIsZero, ProviderNotConfigured, a ProviderError, LogUnavailable,
        LogRefused.
        """
        self._recorder.event_log.check()
        with self._recorder.database() as connection:
            purchase, payment_id = paid(connection, account_id, purchase_id)
        gateway = gateway_of(self._gateways, purchase.provider)
        key = f"refund:{purchase_id}:{request}"
        # Looked up before the bounds are checked: what this request gave back before is no longer left.
        refund = gateway.refund_under(payment_id, key)
        if refund is None:
            refund = gateway.refund(payment_id, refund_amount(purchase, credits), key)
        return Refunded(purchase.provider, refund, self.handle(purchase.provider, refund))

    def handle(self, provider: str, refund: Refund) -> RefundOutcome:
        """Debits the refund's share of the credits once it has succeeded. Raises LogUnavailable."""
        if refund.status == "pending":
            return "pending"
        terms = self._payments.credited_terms(provider, refund.payment_id)
        if terms is None:
            return "ignored"
        if refund.status == "failed":
            return self._handle_failure(provider, refund, terms)
        if refund.currency != terms.currency:
            return self._alert(provider, refund, "refund_in_other_currency", terms)
        try:
            event = payment_events.refunded(provider, refund, terms)
        except ExceedsPurchase:
            return self._alert(provider, refund, "refund_exceeds_payment", terms)
        # What is left is read before the entry is looked up. The other way round, this very refund could be projected
        # in between, and would already be missing from what is left.
        purchase = self._recorder.purchase(terms.account_id, terms.purchase_id)
        if self._recorder.posted_content(terms.account_id, event.id) is not None:
            return "already"
        if purchase is not None and parse_nanos(event.data.credits) > purchase.left:
            return self._alert(provider, refund, "refund_exceeds_purchase", terms)
        self._recorder.event_log.append_event(event)
        return "refunded"

    def _handle_failure(self, provider: str, refund: Refund, terms: PaymentTerms) -> RefundOutcome:
        """A bank can return a refund that had succeeded. Its credits are debited by then, so people have to decide."""
        event_id = payment_events.refund_event_id(terms.account_id, provider, refund.refund_id)
        if self._recorder.posted_content(terms.account_id, event_id) is None:
            return "failed"
        return self._alert(provider, refund, "refund_failed", terms)

    def _alert(self, provider: str, refund: Refund, reason: AlertReason, terms: PaymentTerms) -> RefundOutcome:
        return self._recorder.raise_alert(
            provider, refund.refund_id, reason, terms.account_id, purchase_id=terms.purchase_id
        )


def refund_amount(purchase: CreditedPurchase, credits: int | None) -> int:
    """The bounds of a refund: what `credits` nanos of a purchase (None: all that is left) are in its currency.

    In minor units. Raises ExceedsPurchase above what is left, AmountIsZero for less than one minor unit.
    """
    refunded = purchase.left if credits is None else credits
    if refunded > purchase.left:
        raise ExceedsPurchase(f"{format_nanos(purchase.left)} credits are left", field="amount")
    minor = refund_minor(purchase.credits, purchase.amount_minor, purchase.left_minor, refunded)
    if refunded == purchase.left:
        minor = purchase.left_minor
    if minor == 0:
        raise AmountIsZero(field="amount")
    return minor
