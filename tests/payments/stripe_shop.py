"""A Stripe account in the sandbox, as the tests use it: customers with saved cards, hosted pages, webhooks."""

import hmac
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import stripe

from ledger.payments.gateway import StartedPayment, Webhook
from ledger.payments.payment_terms import PaymentTerms, signed_metadata
from ledger.payments.stripe import StripeGateway
from ledger.payments.stripe.client import API_VERSION
from ledger.settings import Settings
from schemas.signatures import SigningKey
from tests.support.sandbox import STRIPE_KEY, STRIPE_WEBHOOK_SECRET, RunningSandbox

KEY = SigningKey("k1", b"secret of the tests")
RETURN_URL = "https://router.example/billing?tab=credits"
TYPED = {"expiry": "12 / 34", "cvc": "123", "name": "Jo Doe", "line1": "Main St 1", "city": "Bonn", "country": "DE"}


def gateway_to(url: str, *webhook_secrets: str) -> StripeGateway:
    """A gateway whose Stripe is at this address."""
    secrets = list(webhook_secrets)
    return StripeGateway(
        Settings(payments="sandbox", stripe_url=url, stripe_secret_key=STRIPE_KEY, stripe_webhook_secrets=secrets)
    )


class StripeShop:
    """One account at Stripe: our gateway, the same seen from Stripe's own client, and the customers' browser."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.gateway = gateway_to(sandbox.stripe_url, STRIPE_WEBHOOK_SECRET)
        self.api = stripe.StripeClient(
            STRIPE_KEY, stripe_version=API_VERSION, base_addresses={"api": sandbox.stripe_url}
        ).v1

    def customer(self, card: str | None = None) -> tuple[str, str]:
        """A new customer, and the id of its saved card ("" without one). `card`: a test method such as pm_card_visa."""
        customer = self.api.customers.create({"metadata": {"account": "acct_1"}}).id
        return customer, self.api.payment_methods.attach(card, {"customer": customer}).id if card else ""

    def begin(self, terms: PaymentTerms, customer: str, method: str | None) -> StartedPayment:
        return self.gateway.begin(terms, signed_metadata(terms, KEY), customer, method, RETURN_URL, "10 credits")

    def charge(self, terms: PaymentTerms, customer: str, method: str, key: str) -> Any:
        return self.gateway.charge_saved(terms, signed_metadata(terms, KEY), customer, method, key)

    def pay(self, url: str, number: str) -> httpx.Response:
        """Types a card on a hosted page; the answer, not followed."""
        return httpx.post(url, data=TYPED | {"number": number})

    def authenticate(self, url: str, *, confirmed: bool = True) -> httpx.Response:
        """Answers the bank."""
        return httpx.post(url, data={"answer": "complete" if confirmed else "fail"})

    def does(self, path: str, **body: Any) -> Any:
        """Something that happens on Stripe's dashboard or at a bank; what came of it."""
        answer = self.sandbox.control.post(f"/sandbox/stripe/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def webhooks(self, *types: str, about: str) -> Iterator[Webhook]:
        """The webhooks of these types that name the object, oldest first, as our gateway reads them."""
        messages = self.sandbox.control.get("/sandbox/webhooks", params={"provider": "stripe"}).json()
        for message in reversed(messages):
            if message["type"] in types and about in message["body"]:
                raw = message["body"].encode()
                moment = int(time.time())
                digest = hmac.digest(STRIPE_WEBHOOK_SECRET.encode(), f"{moment}.".encode() + raw, "sha256").hex()
                yield self.gateway.webhook(raw, {"stripe-signature": f"t={moment},v1={digest}"})


def new_terms(amount_minor: int = 1190) -> PaymentTerms:
    return PaymentTerms(
        str(uuid.uuid4()), "acct_1", "purchase", 10_000_000_000, "USD", amount_minor, amount_minor * 19 // 119, "1"
    )
