"""Payments at Razorpay: looked up with their orders, and captured where Razorpay has not captured them yet.

Every look-up captures an authorized payment of ours, with its order's amount: Razorpay has shown the customer that
it is paid, and its own capture can have missed it. A payment that Razorpay doesn't let us capture stays pending.
"""

from collections.abc import Iterator
from datetime import datetime

import structlog

from ledger.payments import gateway as ours
from ledger.payments.gateway import ProviderRefuses
from ledger.payments.payment_terms import has_terms
from ledger.payments.razorpay import translation
from ledger.payments.razorpay.api import Api
from ledger.payments.razorpay.entities import Order, Payment

log = structlog.get_logger()


class Payments:
    """Payments with the metadata of their orders."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def by_id(self, payment_id: str) -> ours.Payment:
        return self.with_order(self._api.payment(payment_id))

    def of_order(self, order_id: str) -> ours.Payment:
        """The payment that decides about an order. After a failed attempt a later one may still pay it."""
        order, payments = self._api.order(order_id), self._api.payments_of(order_id)
        return (
            self._translated(translation.decisive_payment(payments), order)
            if payments
            else translation.payment_of_untried_order(order)
        )

    def since(self, since: datetime) -> Iterator[ours.Payment]:
        return map(self.with_order, self._api.payments(since))

    def with_order(self, payment: Payment) -> ours.Payment:
        """A payment of Razorpay's, translated; asks for its order."""
        return self._translated(payment, self._order_of(payment))

    def capture(self, payment_id: str) -> ours.Payment:
        """Captures an authorized payment with its order's amount; idempotent. Raises ProviderRefuses."""
        payment = self._api.payment(payment_id)
        order = self._order_of(payment)
        return translation.payment_of(self._captured(payment, order), order)

    def _translated(self, payment: Payment, order: Order | None) -> ours.Payment:
        if payment.status == "authorized" and has_terms(translation.notes_of(order)):
            try:
                payment = self._captured(payment, order)
            except ProviderRefuses as error:
                log.warning("payment_not_captured", payment_id=payment.id, error=str(error))
        return translation.payment_of(payment, order)

    def _captured(self, payment: Payment, order: Order | None) -> Payment:
        if payment.status != "authorized":
            return payment
        wanted = order or payment
        try:
            return self._api.capture(payment.id, wanted.amount, wanted.currency)
        except ProviderRefuses:
            now = self._api.payment(payment.id)  # Razorpay may have captured it meanwhile
            if now.status == "authorized":
                raise
            return now

    def _order_of(self, payment: Payment) -> Order | None:
        return self._api.order(payment.order_id) if payment.order_id else None
