"""Stripe's webhooks: only what Stripe signed, lately, over these bytes; and what it means."""

import hmac
import json
import time
from typing import Any

import pytest

from ledger.payments.gateway import MethodsChanged, Payment, Webhook, WebhookForged, WebhookUnreadable
from ledger.payments.stripe import StripeGateway
from tests.payments.stripe_shop import gateway_to

NO_SERVER = "http://127.0.0.1:1"  # what needs no call must not make one
SECRET, OLD_SECRET = "whsec_new", "whsec_old"
INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 1000,
    "amount_received": 1000,
    "created": 1_790_000_000,
    "currency": "usd",
    "last_payment_error": None,
    "metadata": {"ledger_purchase": "p"},
    "next_action": None,
    "status": "succeeded",
}


def body(type_: str, thing: dict[str, Any], **more: Any) -> bytes:
    data = {"object": thing, **more}
    event = {"id": "evt_1", "object": "event", "type": type_, "created": 1_790_000_005, "livemode": True, "data": data}
    return json.dumps(event).encode()


def signed(raw: bytes, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    moment = int(time.time()) - age
    digest = hmac.digest(secret.encode(), f"{moment}.".encode() + raw, "sha256").hex()
    return {"stripe-signature": f"t={moment},v1={digest}"}


@pytest.fixture(scope="module")
def gateway() -> StripeGateway:
    return gateway_to(NO_SERVER, SECRET, OLD_SECRET)


def read(gateway: StripeGateway, type_: str, thing: dict[str, Any], **more: Any) -> Webhook:
    raw = body(type_, thing, **more)
    return gateway.webhook(raw, signed(raw))


PAID = body("payment_intent.succeeded", INTENT)


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_each_of_two_secrets_proves_a_message_while_one_is_rotated(gateway: StripeGateway, secret: str) -> None:
    webhook = gateway.webhook(PAID, signed(PAID, secret))
    assert (webhook.event_id, webhook.type, webhook.live) == ("evt_1", "payment_intent.succeeded", True)
    assert isinstance(webhook.update, Payment)
    assert (webhook.update.status, webhook.update.amount_minor, webhook.update.currency) == ("paid", 1000, "USD")


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (PAID, {}),
        (PAID, {"stripe-signature": ""}),
        (PAID, {"stripe-signature": "nonsense"}),
        (PAID, {"stripe-signature": "t=,v1="}),
        (PAID, {"stripe-signature": f"t={'9' * 5000},v1=00"}),
        (PAID, {"stripe-signature": f"t={int(time.time())},v1=äöü"}),
        (PAID, {"stripe-signature": f"t={int(time.time())}"}),
        (PAID, signed(PAID, "whsec_of_somebody_else")),
        (PAID, signed(PAID, age=301)),
        (PAID.replace(b"1000", b"9000"), signed(PAID)),
        (PAID + b" ", signed(PAID)),
        (b"\xff\xfe", signed(b"\xff\xfe", "whsec_of_somebody_else")),
        (b"", {"stripe-signature": "t=1,v1=00"}),
    ],
)
def test_what_is_not_signed_by_stripe_lately_is_forged(
    gateway: StripeGateway, raw: bytes, headers: dict[str, str]
) -> None:
    with pytest.raises(WebhookForged):
        gateway.webhook(raw, headers)


@pytest.mark.parametrize(
    "raw",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"object": "event"}',
        b'{"object": "v2.core.event", "id": "evt_1"}',
        body("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"}),
    ],
)
def test_what_is_signed_but_not_documented_is_unreadable(gateway: StripeGateway, raw: bytes) -> None:
    with pytest.raises(WebhookUnreadable):
        gateway.webhook(raw, signed(raw))


@pytest.mark.parametrize("type_", ["payment_intent.created", "charge.succeeded", "invoice.paid", "plan.created"])
def test_other_messages_are_no_news(gateway: StripeGateway, type_: str) -> None:
    assert read(gateway, type_, INTENT).update is None


def test_methods_changed_says_whose(gateway: StripeGateway) -> None:
    method = {"id": "pm_1", "object": "payment_method", "customer": "cus_1"}
    assert read(gateway, "payment_method.attached", method).update == MethodsChanged("cus_1")
    assert read(gateway, "payment_method.automatically_updated", method).update == MethodsChanged("cus_1")
    gone = read(gateway, "payment_method.detached", method | {"customer": None}, previous_attributes=method)
    assert gone.update == MethodsChanged("cus_1")


def test_a_customer_who_moves_has_changed_no_method(gateway: StripeGateway) -> None:
    """Else a new address would let a declined card be charged again."""
    customer = {"id": "cus_1", "object": "customer"}
    assert read(gateway, "customer.updated", customer, previous_attributes={"address": None}).update is None
    changed = read(gateway, "customer.updated", customer, previous_attributes={"invoice_settings": {}})
    assert changed.update == MethodsChanged("cus_1")


def test_a_page_of_another_shop_in_the_same_account_is_no_news_and_asks_nobody(gateway: StripeGateway) -> None:
    page = {"id": "cs_1", "object": "checkout.session", "mode": "payment", "metadata": {}, "payment_intent": "pi_1"}
    assert read(gateway, "checkout.session.completed", page).update is None


def test_a_card_that_was_added_on_a_page_is_a_change_of_methods(gateway: StripeGateway) -> None:
    page = {"id": "cs_1", "object": "checkout.session", "mode": "setup", "status": "complete", "customer": "cus_1"}
    assert read(gateway, "checkout.session.completed", page).update == MethodsChanged("cus_1")


def test_what_is_refunded_beside_payments_is_no_news(gateway: StripeGateway) -> None:
    assert read(gateway, "refund.created", {"id": "re_1", "object": "refund", "payment_intent": None}).update is None
    assert read(gateway, "charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": None}).update is None
