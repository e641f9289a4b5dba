"""Webhooks of Razorpay's sandbox, verified by Razorpay's own SDK, and the faults that calls and webhooks suffer."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from razorpay.errors import ServerError, SignatureVerificationError

from tests.sandbox.razorpay_shop import Shop, named, shop_at
from tests.support.sandbox import RAZORPAY_WEBHOOK_SECRET, running_sandbox
from tests.support.webhook_receiver import Receiver, receiver

PAID = ("payment.authorized", "payment.captured", "order.paid")


@pytest.fixture(scope="module")
def running() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


@pytest.fixture
def shop(running: Shop) -> Iterator[Shop]:
    yield running
    running.sandbox.control.delete("/sandbox/faults").raise_for_status()
    running.sandbox.control.delete("/sandbox/calls").raise_for_status()


@pytest.fixture
def hook(shop: Shop) -> Iterator[Receiver]:
    with receiver() as hook:
        shop.listen(hook)
        yield hook


def test_a_payment_is_told_step_by_step_as_it_was_then(shop: Shop, hook: Receiver) -> None:
    payment = shop.paid()
    told = shop.webhooks(hook, *PAID)
    authorized, captured = named(told, "payment.authorized")["payment"], named(told, "payment.captured")["payment"]
    assert (authorized["status"], authorized["captured"], authorized["fee"]) == ("authorized", False, None)
    assert captured == payment
    paid = named(told, "order.paid")
    assert (paid["payment"], paid["order"]) == (payment, shop.sdk.order.fetch(payment["order_id"]))


def test_a_webhook_has_the_documented_form(shop: Shop, hook: Receiver) -> None:
    shop.paid(upi_id="failure@razorpay")
    (failed,) = shop.webhooks(hook, "payment.failed")
    said = failed.body
    assert set(said) == {"entity", "account_id", "event", "contains", "payload", "created_at"}
    assert (said["entity"], said["contains"], list(said["payload"])) == ("event", ["payment"], ["payment"])
    assert failed.headers["x-razorpay-event-id"].startswith("evt_")
    assert not [name for name in said["payload"]["payment"]["entity"] if name.startswith("_")]


def test_a_changed_webhook_is_not_verified(shop: Shop, hook: Receiver) -> None:
    shop.paid(upi_id="failure@razorpay")
    (failed,) = shop.webhooks(hook, "payment.failed")
    changed = failed.raw.decode().replace("85000", "85001")
    with pytest.raises(SignatureVerificationError):
        shop.sdk.utility.verify_webhook_signature(
            changed, failed.headers["x-razorpay-signature"], RAZORPAY_WEBHOOK_SECRET
        )


def test_refunds_disputes_and_settlements_are_told(shop: Shop, hook: Receiver) -> None:
    payment = shop.paid()
    refund = shop.sdk.payment.refund(payment["id"], {"amount": 5000})
    dispute = shop.act("disputes", payment_id=payment["id"], amount=1000)
    won = shop.act(f"disputes/{dispute['id']}", status="won")
    settlement = shop.act("settlements")
    shop.act("refunds", "PUT", status="failed")
    shop.sdk.payment.refund(payment["id"], {"amount": 100})
    shop.act("refunds", "PUT", status="processed")
    told = shop.webhooks(
        hook,
        *("refund.created", "refund.processed", "refund.failed"),
        *("payment.dispute.created", "payment.dispute.won", "settlement.processed"),
    )
    assert named(told, "refund.created")["refund"]["status"] == "pending"
    assert named(told, "refund.processed")["refund"] == refund
    assert named(told, "refund.processed")["payment"]["amount_refunded"] == 5000
    assert named(told, "payment.dispute.won") == {**named(told, "payment.dispute.created"), "dispute": won}
    assert named(told, "settlement.processed") == {"settlement": settlement}


def test_a_webhook_that_is_not_taken_comes_again(shop: Shop, hook: Receiver) -> None:
    hook.statuses = [500]
    shop.paid(upi_id="failure@razorpay")
    first, second = hook.until(lambda each: len(each) == 2)
    assert (first.raw, first.headers["x-razorpay-event-id"]) == (second.raw, second.headers["x-razorpay-event-id"])


def test_lost_webhooks_never_come(shop: Shop, hook: Receiver) -> None:
    shop.sandbox.fault("lost", "payment.captured", provider="razorpay")
    shop.paid()
    told = shop.webhooks(hook, "payment.authorized", "order.paid")
    assert Counter(one.body["event"] for one in told) == Counter(("payment.authorized", "order.paid"))


def test_doubled_webhooks_come_twice(shop: Shop, hook: Receiver) -> None:
    shop.sandbox.fault("doubled", "payment.captured", provider="razorpay")
    shop.paid()
    told = hook.until(lambda each: len(each) == 4)
    assert Counter(one.body["event"] for one in told) == Counter((*PAID, "payment.captured"))


def test_a_delayed_webhook_comes_after_later_ones(shop: Shop, hook: Receiver) -> None:
    shop.sandbox.fault("delayed", "payment.authorized", provider="razorpay", seconds=1)
    shop.paid()
    told = hook.until(lambda each: len(each) == 3)
    assert told[-1].body["event"] == "payment.authorized"


def test_an_order_is_made_although_its_answer_was_lost(shop: Shop) -> None:
    shop.sandbox.fault("timeout_after", "orders.create", provider="razorpay", times=1, seconds=0.2)
    with pytest.raises(requests.exceptions.ConnectionError):
        shop.order(receipt="lost answer")
    assert shop.sdk.order.all({"receipt": "lost answer"})["count"] == 1


def test_a_refund_whose_answer_was_lost_is_made_once(shop: Shop) -> None:
    payment = shop.paid()
    shop.sandbox.fault("error_after", "refunds.create", provider="razorpay", times=1)
    key = {"X-Refund-Idempotency": "refund-with-lost-answer"}
    with pytest.raises(ServerError):
        shop.sdk.payment.refund(payment["id"], {"amount": 5000}, headers=dict(key))
    refund = shop.sdk.payment.refund(payment["id"], {"amount": 5000}, headers=dict(key))
    assert shop.sdk.payment.fetch_multiple_refund(payment["id"], {})["items"] == [refund]
    assert shop.sandbox.calls("razorpay", "refunds.create") == 2


def test_an_error_before_means_that_nothing_has_happened(shop: Shop) -> None:
    shop.sandbox.fault("error_before", "orders.create", provider="razorpay", times=1)
    with pytest.raises(ServerError):
        shop.order(receipt="never made")
    assert shop.sdk.order.all({"receipt": "never made"})["count"] == 0


def test_what_was_kept_outlives_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.sqlite"
    with running_sandbox(file=file) as sandbox, shop_at(sandbox) as shop:
        payment = shop.paid()
    with running_sandbox(file=file) as sandbox, shop_at(sandbox) as shop:
        assert shop.sdk.payment.fetch(payment["id"]) == payment
