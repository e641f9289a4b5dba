"""Stripe as a Gateway: each request, and the idempotency key with which it is repeated."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import stripe
from stripe.params import PaymentIntentCreateParams, PaymentIntentListParams

from ledger.payments.gateway import (
    Buyer,
    Dispute,
    Method,
    Payment,
    Payout,
    ProviderError,
    ProviderRefuses,
    ProviderUnknown,
    Refund,
    StartedPayment,
    Webhook,
)
from ledger.payments.payment_terms import REFUND_KEY, PaymentTerms
from ledger.payments.stripe import pages, translation
from ledger.payments.stripe.client import Stripe
from ledger.payments.stripe.customers import Customers
from ledger.payments.stripe.webhooks import UpdateReader, webhook_of
from ledger.settings import Settings

_PAGE = 100
_DAY = 86_400


class StripeGateway:
    """A Gateway and a Charger; several threads may use it at once. Raises SettingMissing without a key."""

    provider = "stripe"

    def __init__(self, settings: Settings) -> None:
        self._api = Stripe(settings)
        self._customers = Customers(self._api)
        self._webhook_secrets = [secret.get_secret_value() for secret in settings.stripe_webhook_secrets]

    def put_customer(self, buyer: Buyer, customer_id: str | None) -> str:
        """A customer that was deleted at Stripe is created anew."""
        return self._customers.put(buyer, customer_id)

    def begin(
        self,
        terms: PaymentTerms,
        metadata: Mapping[str, str],
        customer_id: str,
        method_id: str | None,
        return_url: str,
        description: str,
    ) -> StartedPayment:
        """A new method is entered on Stripe's page, which is open for a day; a saved method is charged at once."""
        key = f"purchase:{terms.purchase_id}"
        if method_id is None:
            page = pages.purchase(terms, metadata, customer_id, return_url, description)
            with self._api.translating_errors() as client:
                session = client.v1.checkout.sessions.create(page, {"idempotency_key": key})
            return StartedPayment(session.id, url=session.url)
        intent = _charge(terms, metadata, customer_id, method_id)
        payment = self._pay({**intent, "description": description, "return_url": return_url}, key)
        if payment.action_url:
            return StartedPayment(payment.payment_id, url=payment.action_url)
        return StartedPayment(payment.payment_id, payment=payment)

    def charge_saved(
        self, terms: PaymentTerms, metadata: Mapping[str, str], customer_id: str, method_id: str, key: str
    ) -> Payment:
        """Charges without the customer. If the bank asks for the customer, the payment is declined, not left open."""
        off_session: PaymentIntentCreateParams = {
            **_charge(terms, metadata, customer_id, method_id),
            "off_session": True,
            # A method that needs a redirect can't be charged without the customer.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
        return self._pay(off_session, key)

    def cancel(self, payment_id: str) -> Payment:
        """A payment that was paid or canceled before stays as it is, and is returned."""
        with self._api.translating_errors() as client:
            try:
                return translation.payment_of(client.v1.payment_intents.cancel(payment_id))
            except stripe.InvalidRequestError as error:
                if error.code != "payment_intent_unexpected_state":
                    raise
        return self.payment(payment_id)

    def payment(self, reference: str) -> Payment:
        """By the id of a hosted page (`cs_…`) or of a payment (`pi_…`)."""
        with self._api.translating_errors() as client:
            if not reference.startswith("cs_"):
                return translation.payment_of(client.v1.payment_intents.retrieve(reference))
            return self._payment_on(client.v1.checkout.sessions.retrieve(reference))

    def payments(self, since: datetime) -> Iterator[Payment]:
        """Hosted pages on which no payment was tried are not among them."""
        return self._listed({"created": {"gte": _seconds(since)}, "limit": _PAGE})

    def payments_of(self, customer_id: str, since: datetime) -> Iterator[Payment]:
        return self._listed({"customer": customer_id, "created": {"gte": _seconds(since)}, "limit": _PAGE})

    def refund(self, payment_id: str, amount_minor: int, key: str) -> Refund:
        """An error after Stripe has accepted the refund is ProviderUnknown."""
        with self._api.translating_errors() as client:
            refund = client.v1.refunds.create(
                {"payment_intent": payment_id, "amount": amount_minor, "metadata": {REFUND_KEY: key}},
                {"idempotency_key": key},
            )
        try:
            return translation.refund_of(refund, self._refunds_of(payment_id))
        except ProviderError as error:
            raise ProviderUnknown("refunded, but not read back", request_id=error.request_id) from None

    def refund_under(self, payment_id: str, key: str) -> Refund | None:
        """Found by the refund's metadata: Stripe keeps idempotency keys for a day only."""
        every = self._refunds_of(payment_id)
        found = (refund for refund in every if refund.metadata and refund.metadata.to_dict().get(REFUND_KEY) == key)
        return next((translation.refund_of(refund, every) for refund in found), None)

    def refunds(self, since: datetime) -> Iterator[Refund]:
        with self._api.translating_errors() as client:
            for refund in client.v1.refunds.list(
                {"created": {"gte": _seconds(since)}, "limit": _PAGE}
            ).auto_paging_iter():
                if payment_id := translation.id_of(refund.payment_intent):
                    yield translation.refund_of(refund, self._refunds_of(payment_id))

    def disputes(self, since: datetime) -> Iterator[Dispute]:
        """The disputes that were opened since then. Inquiries, which take no money, are not among them."""
        with self._api.translating_errors() as client:
            for found in client.v1.disputes.list(
                {"created": {"gte": _seconds(since)}, "limit": _PAGE}
            ).auto_paging_iter():
                if dispute := translation.dispute_of(found):
                    yield dispute

    def payouts(self, since: datetime) -> Iterator[Payout]:
        """Stripe dates an arrival at the beginning of its day (UTC), so the whole first day is included."""
        day = _seconds(since) // _DAY * _DAY
        with self._api.translating_errors() as client:
            for payout in client.v1.payouts.list(
                {"arrival_date": {"gte": day}, "status": "paid", "limit": _PAGE}
            ).auto_paging_iter():
                yield self._payout(payout)

    def methods(self, customer_id: str) -> list[Method]:
        return self._customers.methods(customer_id)

    def add_method(self, customer_id: str, return_url: str) -> str:
        """A card, on Stripe's page."""
        with self._api.translating_errors() as client:
            session = client.v1.checkout.sessions.create(pages.card(customer_id, return_url))
        if session.url is None:
            raise ProviderRefuses("no page")
        return session.url

    def set_default(self, customer_id: str, method_id: str) -> None:
        self._customers.set_default(customer_id, method_id)

    def detach(self, customer_id: str, method_id: str) -> None:
        self._customers.detach(customer_id, method_id)

    def webhook(self, raw: bytes, headers: Mapping[str, str]) -> Webhook:
        """Asks Stripe for what the message leaves out: a page's payment, earlier refunds, the fees of a payout."""
        reader = UpdateReader(self._payment_on, self._refunds_of, self._payout)
        return webhook_of(raw, headers, self._webhook_secrets, self._api.client, reader)

    def _listed(self, params: PaymentIntentListParams) -> Iterator[Payment]:
        with self._api.translating_errors() as client:
            for intent in client.v1.payment_intents.list(params).auto_paging_iter():
                yield translation.payment_of(intent)

    def _pay(self, params: PaymentIntentCreateParams, key: str) -> Payment:
        with self._api.translating_errors() as client:
            try:
                return translation.payment_of(client.v1.payment_intents.create(params, {"idempotency_key": key}))
            except stripe.CardError as error:
                declined = error.error and error.error.payment_intent
                if not declined:
                    raise
                return translation.payment_of(declined)

    def _payment_on(self, session: stripe.checkout.Session) -> Payment:
        payment_id = translation.id_of(session.payment_intent)
        if payment_id is None:
            return translation.payment_of_untried_page(session)
        with self._api.translating_errors() as client:
            return translation.payment_of(client.v1.payment_intents.retrieve(payment_id), session)

    def _refunds_of(self, payment_id: str) -> list[stripe.Refund]:
        with self._api.translating_errors() as client:
            refunds = client.v1.refunds.list({"payment_intent": payment_id, "limit": _PAGE})
            return list(refunds.auto_paging_iter())

    def _payout(self, payout: stripe.Payout) -> Payout:
        """With its fees, which Stripe lists only for automatic payouts."""
        if not payout.automatic:
            return translation.payout_of(payout, ())
        with self._api.translating_errors() as client:
            moved = client.v1.balance_transactions.list({"payout": payout.id, "limit": _PAGE})
            return translation.payout_of(payout, moved.auto_paging_iter())


def _charge(
    terms: PaymentTerms, metadata: Mapping[str, str], customer_id: str, method_id: str
) -> PaymentIntentCreateParams:
    return {
        "amount": terms.amount_minor,
        "currency": terms.currency.lower(),
        "customer": customer_id,
        "payment_method": method_id,
        "metadata": dict(metadata),
        "confirm": True,
    }


def _seconds(time: datetime) -> int:
    return int(time.timestamp())
