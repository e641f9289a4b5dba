"""What the tests of Razorpay's sandbox share: the unchanged SDK against a running sandbox, and people who act on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import razorpay
import requests

from tests.support.sandbox import RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET, RAZORPAY_WEBHOOK_SECRET, RunningSandbox
from tests.support.webhook_receiver import Received, Receiver

NO_SUCH = "The id provided does not exist"


class Shop:
    """`sdk`: Razorpay's own client. The rest is done by people elsewhere."""

    def __init__(self, sandbox: RunningSandbox, session: requests.Session) -> None:
        self.sandbox = sandbox
        self.session = session
        self.sdk = self.sdk_with(RAZORPAY_KEY_SECRET)

    def sdk_with(self, secret: str) -> Any:
        """A client with another secret."""
        return razorpay.Client(session=self.session, auth=(RAZORPAY_KEY_ID, secret), base_url=self.sandbox.razorpay_url)

    def order(self, amount: int = 85000, **more: Any) -> dict[str, Any]:
        """A new order."""
        order: dict[str, Any] = self.sdk.order.create({"amount": amount, "currency": "INR", **more})
        return order

    def act(self, path: str, method: str = "POST", **body: Any) -> dict[str, Any]:
        """Something that the SDK can't do, through the control routes."""
        answer = self.sandbox.control.request(method, f"/sandbox/razorpay/{path}", json=body)
        answer.raise_for_status()
        done: dict[str, Any] = answer.json() if answer.content else {}
        return done

    def paid(self, amount: int = 85000, **how: Any) -> dict[str, Any]:
        """A payment that a customer made for a new order."""
        return self.act("payments", order_id=self.order(amount)["id"], **how)

    def advance(self, seconds: int) -> None:
        """Time passes."""
        self.sandbox.control.post("/sandbox/clock", json={"seconds": seconds}).raise_for_status()

    def listen(self, receiver: Receiver) -> None:
        """From now on webhooks go there."""
        self.sandbox.aim("razorpay", receiver.url, RAZORPAY_WEBHOOK_SECRET)

    def webhooks(self, receiver: Receiver, *events: str) -> list[Received]:
        """The webhooks that were delivered, once all of these events were, each signed."""
        delivered = receiver.until(lambda each: {one.body["event"] for one in each} >= set(events))
        for one in delivered:
            signature = one.headers["x-razorpay-signature"]
            assert self.sdk.utility.verify_webhook_signature(one.raw.decode(), signature, RAZORPAY_WEBHOOK_SECRET)
        return delivered


@contextmanager
def shop_at(sandbox: RunningSandbox) -> Iterator[Shop]:
    """A shop with connections of its own."""
    with requests.Session() as session:
        session.trust_env = False
        yield Shop(sandbox, session)


def named(delivered: list[Received], event: str) -> dict[str, Any]:
    """The entities of the first delivery of an event."""
    payload = next(one.body["payload"] for one in delivered if one.body["event"] == event)
    return {name: holder["entity"] for name, holder in payload.items()}
