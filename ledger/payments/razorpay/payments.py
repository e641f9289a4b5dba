"""Payments as Razorpay has them: looked up with their orders, and captured where Razorpay has not done it yet.

Ask for an authorized payment of ours in any way, and it is captured with its order's amount: the customer was told that
it is paid, and Razorpay's own capture can have missed it. One that Razorpay doesn't let us capture stays pending.
"""

from collections.abc import Iterator
from datetime import datetime

import structlog

from ledger.payments import gateway as ours
from ledger.payments.gateway import ProviderRefuses
from ledger.payments.payment_terms import is_ours
from ledger.payments.razorpay import translation
from ledger.payments.razorpay.api import Api
from ledger.payments.razorpay.entities import Order, Payment

log = structlog.get_logger()


class Payments:
    """What is said of payments here has the metadata of the order."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def by_id(self, payment_id: str) -> ours.Payment:
        return self.said(self._api.payment(payment_id))

    def of_order(self, order_id: str) -> ours.Payment:
        """What became of an order. Its last attempt may have failed and a later one still pay it: that is news then."""
        order, payments = self._api.order(order_id), self._api.payments_of(order_id)
        return self._said(translation.telling(payments), order) if payments else translation.unpaid(order)

    def since(self, since: datetime) -> Iterator[ours.Payment]:
        return map(self.said, self._api.payments(since))

    def said(self, payment: Payment) -> ours.Payment:
        """A payment, whose order is asked for."""
        return self._said(payment, self._order_of(payment))

    def capture(self, payment_id: str) -> ours.Payment:
        """Takes the money of an authorized payment, its order's amount; idempotent. Raises ProviderRefuses."""
        payment = self._api.payment(payment_id)
        order = self._order_of(payment)
        return translation.payment_of(self._captured(payment, order), order)

    def _said(self, payment: Payment, order: Order | None) -> ours.Payment:
        if payment.status == "authorized" and is_ours(translation.metadata_of(order)):
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
            now = self._api.payment(payment.id)  # Razorpay itself may have been faster
            if now.status == "authorized":
                raise
            return now

    def _order_of(self, payment: Payment) -> Order | None:
        return self._api.order(payment.order_id) if payment.order_id else None
