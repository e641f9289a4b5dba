"""Razorpay as a Gateway: one order per purchase, paid on our page with Checkout.js and captured automatically.

Saved methods are not used: recurring debits need a mandate, and a notice one day before. So auto top-up sends a payment
link instead (`create_link`).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from ledger.payments import gateway as ours
from ledger.payments.gateway import (
    Buyer,
    Method,
    ProviderError,
    ProviderRefuses,
    ProviderUnknown,
    StartedPayment,
    Webhook,
)
from ledger.payments.payment_terms import REFUND_KEY, PaymentTerms
from ledger.payments.razorpay import translation, webhooks
from ledger.payments.razorpay.api import Api, checked, is_id
from ledger.payments.razorpay.client import connect
from ledger.payments.razorpay.customers import put_customer
from ledger.payments.razorpay.entities import Dispute, Link, Payment, Refund, Settlement
from ledger.payments.razorpay.links import PaymentLinks
from ledger.payments.razorpay.payments import Payments
from ledger.payments.razorpay.receipts import order_of, receipt_of
from ledger.settings import Settings

_FIVE_DAYS_IN_MINUTES = 7200  # the longest that Razorpay allows; after it, the payment is returned to the customer
_CAPTURE = {
    "capture": "automatic",
    "capture_options": {
        "automatic_expiry_period": _FIVE_DAYS_IN_MINUTES,
        "manual_expiry_period": _FIVE_DAYS_IN_MINUTES,
        "refund_speed": "normal",
    },
}
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{10,64}")


class RazorpayGateway:
    """A Gateway and a LinkSender. Raises SettingMissing without a key."""

    provider = "razorpay"

    def __init__(self, settings: Settings) -> None:
        self._api = Api(connect(settings))
        self._payments = Payments(self._api)
        self._links = PaymentLinks(self._api, self._payments)
        self._key_id = settings.razorpay_key_id
        self._key_secret = settings.razorpay_key_secret.get_secret_value().encode()
        self._webhook_secrets = [one.get_secret_value().encode() for one in settings.razorpay_webhook_secrets]

    def put_customer(self, buyer: Buyer, customer_id: str | None) -> str:
        """See Gateway. Accounts with the same e-mail address share a customer: Razorpay knows each address once."""
        return put_customer(self._api, buyer, customer_id)

    def begin(
        self,
        terms: PaymentTerms,
        metadata: Mapping[str, str],
        customer_id: str,
        method_id: str | None,
        return_url: str,
        description: str,
    ) -> StartedPayment:
        """See Gateway, and receipts.py for lost answers. `fields` are the options of Checkout.js."""
        if method_id is not None:
            raise ProviderRefuses("Razorpay has no saved methods", field="method_id")
        prefill = self._prefill(customer_id)
        order = order_of(self._api, terms) or self._api.create_order(
            {
                "amount": terms.amount_minor,
                "currency": terms.currency,
                "receipt": receipt_of(terms),
                "notes": dict(metadata),
                "payment": _CAPTURE,
            }
        )
        if order.status == "paid":
            return StartedPayment(order.id, payment=self.payment(order.id))
        checkout = {
            "key": self._key_id,
            "order_id": order.id,
            "amount": order.amount,
            "currency": order.currency,
            "description": description,
            "prefill": prefill,
            "notes": order.notes,
            "callback_url": return_url,
        }
        return StartedPayment(order.id, fields=checkout)

    def payment(self, reference: str) -> ours.Payment:
        """See Gateway. `reference`: of an order, a payment link or a payment; an authorized payment is captured."""
        if is_id(reference, "plink"):
            return self._links.link(reference)
        if is_id(reference, "pay"):
            return self._payments.by_id(reference)
        return self._payments.of_order(checked(reference, "order", "reference"))

    def payments(self, since: datetime) -> Iterator[ours.Payment]:
        """See Gateway. Authorized payments are captured."""
        return self._payments.since(since)

    def capture(self, payment_id: str) -> ours.Payment:
        """Captures an authorized payment with its order's amount; idempotent. Raises ProviderRefuses."""
        return self._payments.capture(payment_id)

    def refund(self, payment_id: str, amount_minor: int, key: str) -> ours.Refund:
        """See Gateway. An error after Razorpay has accepted the refund is ProviderUnknown."""
        header = key if _IDEMPOTENCY_KEY.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()
        refund = self._api.create_refund(payment_id, amount_minor, header, {REFUND_KEY: key})
        try:
            return translation.refund_of(refund, self._api.refunds_of(payment_id))
        except ProviderError as error:
            raise ProviderUnknown("refunded, but not read back", request_id=error.request_id) from None

    def refund_under(self, payment_id: str, key: str) -> ours.Refund | None:
        """See Gateway."""
        every = self._api.refunds_of(payment_id)
        found = (refund for refund in every if refund.notes.get(REFUND_KEY) == key)
        return next((translation.refund_of(refund, every) for refund in found), None)

    def refunds(self, since: datetime) -> Iterator[ours.Refund]:
        """See Gateway. Refunds of payments that were never captured are left out: we never had that money."""
        for refund in self._api.refunds(since):
            if (translated := self._refund(refund)) is not None:
                yield translated

    def disputes(self, since: datetime) -> Iterator[ours.Dispute]:
        """See Gateway. Inquiries are left out."""
        for dispute in self._api.disputes(since):
            if (translated := translation.dispute_of(dispute)) is not None:
                yield translated

    def payouts(self, since: datetime) -> Iterator[ours.Payout]:
        """See Gateway. Razorpay calls them settlements."""
        for settlement in self._api.settlements(since):
            if (translated := translation.payout_of(settlement)) is not None:
                yield translated

    def methods(self, customer_id: str) -> list[Method]:
        """See Gateway. Always empty."""
        return []

    def add_method(self, customer_id: str, return_url: str) -> str:
        """See Gateway. Always refused."""
        raise ProviderRefuses("Razorpay has no saved methods", field="method_id")

    def set_default(self, customer_id: str, method_id: str) -> None:
        """See Gateway. Always refused."""
        raise ProviderRefuses("Razorpay has no saved methods", field="method_id")

    def detach(self, customer_id: str, method_id: str) -> None:
        """See Gateway. Always refused."""
        raise ProviderRefuses("Razorpay has no saved methods", field="method_id")

    def webhook(self, raw: bytes, headers: Mapping[str, str]) -> Webhook:
        """See Gateway. May ask Razorpay for a payment's order, or for its other refunds."""
        message = webhooks.read(raw, headers.get("x-razorpay-signature", ""), self._webhook_secrets)
        live = self._key_id.startswith("rzp_live_")  # the body does not tell the mode
        return Webhook(
            message.event_id, message.event, live, translation.time_of(message.created_at), self._update(message)
        )

    def verify_return(self, order_id: str, payment_id: str, signature: str) -> bool:
        """Whether Razorpay signed what Checkout.js gave to the customer's browser: this payment paid this order."""
        genuine = is_id(order_id, "order") and is_id(payment_id, "pay")
        return genuine and webhooks.signed(f"{order_id}|{payment_id}".encode(), signature, [self._key_secret])

    def create_link(
        self, terms: PaymentTerms, metadata: Mapping[str, str], buyer: Buyer, expires_at: datetime
    ) -> StartedPayment:
        """Creates a payment link, and has it mailed to the buyer if the address is known.

        Idempotent by the purchase's id. `expires_at`: from 15 minutes to six months ahead.
        """
        return self._links.create(terms, metadata, buyer, expires_at)

    def link(self, reference: str) -> ours.Payment:
        """A link's payment as it is now. A link that expired or was cancelled has failed."""
        return self._links.link(reference)

    def cancel_link(self, reference: str) -> ours.Payment:
        """Cancels a link; its payment then: failed, or paid if the customer was faster. Idempotent."""
        return self._links.cancel(reference)

    def _prefill(self, customer_id: str) -> dict[str, str]:
        customer = self._api.customer(customer_id)
        return translation.without_empty(name=customer.name, email=customer.email)

    def _refund(self, refund: Refund) -> ours.Refund | None:
        if not translation.is_captured(self._api.payment(refund.payment_id)):
            return None
        return translation.refund_of(refund, self._api.refunds_of(refund.payment_id))

    def _update(self, message: webhooks.Message) -> ours.ProviderUpdate | None:
        match message.event.split("."):
            case ["payment", "authorized"]:  # asked for, because it may be captured by now
                return self._payments.by_id(message.entity("payment", Payment).id)
            case ["payment", "captured" | "failed"] | ["order", "paid"]:
                return self._payments.with_order(message.entity("payment", Payment))
            case ["payment_link", "paid" | "cancelled" | "expired"]:
                return self._links.link(message.entity("payment_link", Link).id)
            case ["refund", "created" | "processed" | "failed"]:
                return self._refund(message.entity("refund", Refund))
            case ["payment", "dispute", _]:
                return translation.dispute_of(message.entity("dispute", Dispute))
            case ["settlement", "processed"]:
                return translation.payout_of(message.entity("settlement", Settlement))
        return None
