"""Payment links: a page of Razorpay's on which a customer can pay later, without visiting our page."""

from collections.abc import Mapping
from datetime import datetime

from ledger.payments import gateway as ours
from ledger.payments.gateway import Buyer, ProviderRefuses, StartedPayment
from ledger.payments.payment_terms import PaymentTerms
from ledger.payments.razorpay import translation
from ledger.payments.razorpay.api import Api
from ledger.payments.razorpay.entities import Link
from ledger.payments.razorpay.payments import Payments
from ledger.payments.razorpay.receipts import link_of, receipt_of


class PaymentLinks:
    """See RazorpayGateway, which has the same methods."""

    def __init__(self, api: Api, payments: Payments) -> None:
        self._api, self._payments = api, payments

    def create(
        self, terms: PaymentTerms, metadata: Mapping[str, str], buyer: Buyer, expires_at: datetime
    ) -> StartedPayment:
        link = link_of(self._api, terms) or self._api.create_link(
            {
                "amount": terms.amount_minor,
                "currency": terms.currency,
                "accept_partial": False,
                "reference_id": receipt_of(terms),
                "customer": translation.without_empty(name=buyer.name, email=buyer.email),
                "notify": {"email": buyer.email is not None, "sms": False},
                "reminder_enable": False,
                "notes": dict(metadata),
                "expire_by": int(expires_at.timestamp()),
            }
        )
        if link.status == "created":
            return StartedPayment(link.id, url=link.short_url)
        return StartedPayment(link.id, payment=self._payment_of(link))

    def link(self, reference: str) -> ours.Payment:
        return self._payment_of(self._api.link(reference))

    def cancel(self, reference: str) -> ours.Payment:
        try:
            return self._payment_of(self._api.cancel_link(reference))
        except ProviderRefuses:  # paid, expired or cancelled before
            payment = self.link(reference)
            if payment.status == "pending":
                raise
            return payment

    def _payment_of(self, link: Link) -> ours.Payment:
        if not link.payments:
            return translation.link_of(link)
        paid = self._payments.by_id(link.payments[0].payment_id)
        return paid._replace(reference=link.id, metadata=link.notes)
