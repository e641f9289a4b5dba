"""What the tests of Stripe's sandbox share: the unchanged SDK against a running sandbox, and people who act on it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import requests
import stripe
from stripe.params import PaymentIntentCreateParams
from stripe.params.checkout import SessionCreateParams

from tests.support.sandbox import STRIPE_KEY, STRIPE_WEBHOOK_SECRET, RunningSandbox
from tests.support.webhook_receiver import Receiver

# No server listens there: the tests read a redirect to it and don't follow it.
SHOP = "http://127.0.0.1:9/shop"
CARD = {"number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123", "name": "Ada", "country": "DE"}
PATIENCE_SECONDS = 20


class Shop:
    """`sdk`: Stripe's own client, one attempt per call. The rest is done by people elsewhere."""

    def __init__(self, sandbox: RunningSandbox, session: requests.Session, browser: httpx.Client) -> None:
        self.sandbox, self._session, self.browser = sandbox, session, browser
        self.sdk = self.client(STRIPE_KEY)

    def client(self, key: str, *, retries: int = 0, seconds: float = 10) -> stripe.StripeClient:
        """Another client of the same Stripe."""
        http = stripe.RequestsClient(timeout=seconds, session=self._session)
        addresses: Any = {"api": self.sandbox.stripe_url}
        return stripe.StripeClient(key, http_client=http, max_network_retries=retries, base_addresses=addresses)

    def customer(self) -> str:
        """A new customer."""
        return self.sdk.v1.customers.create({"name": "Ada"}).id

    def saved_card(self, test_id: str = "pm_card_visa") -> tuple[str, str]:
        """A new customer and a card of it."""
        customer = self.customer()
        return customer, self.sdk.v1.payment_methods.attach(test_id, {"customer": customer}).id

    def off_session(self, test_id: str = "pm_card_visa", amount: int = 20000) -> PaymentIntentCreateParams:
        """The parameters of an auto top-up of a new customer."""
        customer, method = self.saved_card(test_id)
        return self.charging(customer, method, amount)

    @staticmethod
    def charging(customer: str, method: str, amount: int = 20000) -> PaymentIntentCreateParams:
        """The parameters of an auto top-up."""
        return {
            "amount": amount,
            "currency": "usd",
            "customer": customer,
            "payment_method": method,
            "off_session": True,
            "confirm": True,
            "metadata": {"trigger_id": "t1"},
        }

    def paid(self, amount: int = 20000) -> stripe.PaymentIntent:
        """A payment that was made."""
        return self.sdk.v1.payment_intents.create(self.off_session(amount=amount))

    def page(self, **more: Any) -> stripe.checkout.Session:
        """A hosted page that sells something for 25.00."""
        price: Any = {"currency": "usd", "unit_amount": 2500, "product_data": {"name": "25 credits"}}
        params: SessionCreateParams = {
            "mode": "payment",
            "line_items": [{"quantity": 1, "price_data": price}],
            "success_url": SHOP + "?session_id={CHECKOUT_SESSION_ID}",
            "cancel_url": SHOP,
            **more,  # type: ignore[typeddict-item]
        }
        return self.sdk.v1.checkout.sessions.create(params)

    def card_page(self, customer: str) -> stripe.checkout.Session:
        """A hosted page that saves a card."""
        return self.sdk.v1.checkout.sessions.create(
            {"mode": "setup", "customer": customer, "success_url": SHOP + "?session_id={CHECKOUT_SESSION_ID}"}
        )

    def fill_in(self, url: str | None, number: str = CARD["number"], **more: str) -> httpx.Response:
        """The customer types a card and presses the button."""
        assert url is not None
        return self.browser.post(url, data={**CARD, "number": number, **more})

    def charges(self, customer: str) -> list[stripe.Charge]:
        """What the customer's bank was really asked for, newest first."""
        return self.sdk.v1.charges.list({"customer": customer, "limit": 100}).data

    def act(self, path: str, method: str = "POST", **body: Any) -> dict[str, Any]:
        """Something that is done on the dashboard, or by a bank."""
        answer = self.sandbox.control.request(method, f"/sandbox/stripe/{path}", json=body)
        assert answer.is_success, answer.text
        done: dict[str, Any] = answer.json() if answer.content else {}
        return done

    def advance(self, seconds: int) -> None:
        """Time passes."""
        self.sandbox.control.post("/sandbox/clock", json={"seconds": seconds}).raise_for_status()

    def listen(self, receiver: Receiver) -> None:
        """From now on webhooks go there."""
        self.sandbox.aim("stripe", receiver.url, STRIPE_WEBHOOK_SECRET)

    def webhooks(self, receiver: Receiver, *types: str) -> list[stripe.Event]:
        """The webhooks that were delivered, once all of these events were, each verified as the SDK verifies it."""
        delivered = receiver.until(lambda each: {one.body["type"] for one in each} >= set(types))
        return [
            stripe.Webhook.construct_event(one.raw, one.headers["stripe-signature"], STRIPE_WEBHOOK_SECRET)
            for one in delivered
        ]

    def settled(self) -> None:
        """Waits until no webhook is left to deliver."""
        until(lambda: self.sandbox.control.get("/sandbox").json()["webhooks_waiting"] == 0)


def until(done: Callable[[], bool]) -> None:
    """Waits for something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def shop_at(sandbox: RunningSandbox) -> Iterator[Shop]:
    """The shop, until its connections are closed."""
    with requests.Session() as session, httpx.Client(timeout=10) as browser:
        yield Shop(sandbox, session, browser)
