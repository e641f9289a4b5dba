"""Webhooks of Stripe's sandbox, verified by Stripe's own SDK: signed, repeated until taken, and lost, doubled, late."""

from collections import Counter
from collections.abc import Iterator

import pytest
import stripe

from tests.sandbox.stripe_shop import Shop, shop_at, until
from tests.support.sandbox import STRIPE_WEBHOOK_SECRET, running_sandbox
from tests.support.webhook_receiver import Receiver, receiver

PAID = "payment_intent.succeeded"


@pytest.fixture(scope="module")
def running() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


@pytest.fixture
def shop(running: Shop) -> Iterator[Shop]:
    yield running
    running.sandbox.control.delete("/sandbox/faults").raise_for_status()


@pytest.fixture
def hook(shop: Shop) -> Iterator[Receiver]:
    with receiver() as hook:
        shop.listen(hook)
        yield hook
        shop.settled()


def named(events: list[stripe.Event], type_: str) -> list[stripe.Event]:
    return [event for event in events if event.type == type_]


def test_a_payment_is_told_signed_and_as_it_was_then(shop: Shop, hook: Receiver) -> None:
    intent = shop.paid()
    (event,) = named(shop.webhooks(hook, PAID, "charge.succeeded", "payment_intent.created"), PAID)
    assert event.data.object.to_dict() == intent.to_dict()
    assert (event.livemode, event.api_version, event.object) == (False, "2026-10-28.endive", "event")
    assert shop.sdk.v1.events.retrieve(event.id).to_dict() == event.to_dict()


def test_a_changed_body_or_another_secret_is_not_verified(shop: Shop, hook: Receiver) -> None:
    shop.customer()
    shop.webhooks(hook, "customer.created")
    one = hook.received[0]
    header = one.headers["stripe-signature"]
    for raw, secret in ((one.raw + b" ", STRIPE_WEBHOOK_SECRET), (one.raw, "whsec_other")):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(raw, header, secret)


def test_what_is_not_taken_comes_again_and_the_clock_need_not_be_waited_for(shop: Shop, hook: Receiver) -> None:
    def deliveries() -> list[int]:
        found: list[int] = shop.sandbox.control.get("/sandbox/webhooks?provider=stripe").json()[0]["deliveries"]
        return found

    hook.statuses = [500, 302, 404, 503]
    shop.customer()
    expected: list[int] = []
    for status in (500, 302, 404, 503, 200):
        expected.append(status)
        until(lambda: deliveries() == expected)
        shop.advance(3600)
    assert len({one.body["id"] for one in hook.received}) == 1
    shop.settled()
    assert len(hook.received) == len(expected)


def test_a_lost_webhook_never_comes_but_its_event_can_be_asked_for(shop: Shop, hook: Receiver) -> None:
    shop.sandbox.fault("lost", PAID, times=1)
    lost = shop.paid()
    shop.webhooks(hook, "charge.succeeded")
    shop.settled()
    assert PAID not in [one.body["type"] for one in hook.received]
    (event,) = shop.sdk.v1.events.list({"type": PAID, "limit": 1}).data
    assert event.data.object["id"] == lost.id
    shop.sandbox.control.post(f"/sandbox/webhooks/{event.id}/resend").raise_for_status()
    assert named(shop.webhooks(hook, PAID), PAID)[0].id == event.id


def test_a_doubled_webhook_has_the_same_id_twice(shop: Shop, hook: Receiver) -> None:
    shop.sandbox.fault("doubled", times=100)
    shop.paid()
    shop.webhooks(hook, PAID)
    shop.settled()
    assert set(Counter(one.body["id"] for one in hook.received).values()) == {2}


def test_shuffled_webhooks_come_in_another_order_and_all_come(shop: Shop, hook: Receiver) -> None:
    shop.sandbox.fault("shuffled", "customer.created", seconds=1, seed=3)
    made = [shop.customer() for _ in range(12)]
    received = hook.until(lambda each: len(each) == len(made))
    came = [one.body["data"]["object"]["id"] for one in received]
    assert sorted(came) == sorted(made)
    assert came != made


def test_a_delayed_webhook_comes_when_its_time_has_come(shop: Shop, hook: Receiver) -> None:
    shop.sandbox.fault("delayed", "customer.created", seconds=600, times=1)
    shop.customer()
    other = shop.customer()
    (first, *_) = hook.until(lambda each: len(each) == 1)
    assert first.body["data"]["object"]["id"] == other
    shop.advance(600)
    hook.until(lambda each: len(each) == 2)


def test_a_webhook_that_nobody_knows_is_not_resent(shop: Shop) -> None:
    assert shop.sandbox.control.post("/sandbox/webhooks/evt_no/resend").status_code == 404


def test_a_saved_card_is_told_when_it_is_attached_and_detached(shop: Shop, hook: Receiver) -> None:
    customer, method = shop.saved_card()
    shop.sdk.v1.payment_methods.detach(method)
    told = shop.webhooks(hook, "payment_method.attached", "payment_method.detached")
    (detached,) = named(told, "payment_method.detached")
    assert detached.data.previous_attributes is not None
    assert detached.data.previous_attributes["customer"] == customer


def test_nothing_waits_where_nobody_listens() -> None:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        shop.paid()
        until(lambda: sandbox.control.get("/sandbox").json()["webhooks_waiting"] == 0)
        assert all(each["deliveries"] == [] for each in sandbox.control.get("/sandbox/webhooks").json())
