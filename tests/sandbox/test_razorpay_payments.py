"""Payments, captures, refunds, disputes and settlements through Razorpay's own SDK."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from razorpay.errors import BadRequestError

from tests.sandbox.razorpay_shop import Shop, shop_at
from tests.support.sandbox import running_sandbox

KEY = {"X-Refund-Idempotency": "refund-of-the-tests-1"}
DAY = 86400


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


def test_a_paid_order_is_paid_by_one_captured_payment(shop: Shop) -> None:
    payment = shop.paid(10000, card="4111 1111 1111 1111")
    order = shop.sdk.order.fetch(payment["order_id"])
    assert (payment["status"], payment["captured"], payment["method"]) == ("captured", True, "card")
    assert (payment["fee"], payment["tax"]) == (236, 36)  # 2 %, and 18 % of that
    assert (order["status"], order["amount_paid"], order["amount_due"], order["attempts"]) == ("paid", 10000, 0, 1)
    assert shop.sdk.order.payments(order["id"]) == {"entity": "collection", "count": 1, "items": [payment]}
    assert payment in shop.sdk.payment.all({"count": 100})["items"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"card": "4000000000000002"}, "payment_declined"),
        ({"card": "4000000000009995"}, "insufficient_funds"),
        ({"upi_id": "failure@razorpay"}, "payment_failed"),
    ],
)
def test_a_failed_payment_says_why_and_leaves_the_order_open(shop: Shop, how: dict[str, str], reason: str) -> None:
    failed = shop.paid(**how)
    assert (failed["status"], failed["error_reason"], failed["fee"]) == ("failed", reason, None)
    assert shop.sdk.order.fetch(failed["order_id"])["status"] == "attempted"
    paid = shop.act("payments", order_id=failed["order_id"])
    assert paid["status"] == "captured"
    assert shop.sdk.order.fetch(failed["order_id"])["attempts"] == 2


def test_a_late_payment_waits_to_be_captured_once(shop: Shop) -> None:
    late = shop.paid(late=True)
    assert (late["status"], late["captured"]) == ("authorized", False)
    with pytest.raises(BadRequestError, match="equal to the amount authorized"):
        shop.sdk.payment.capture(late["id"], 100, {"currency": "INR"})
    assert shop.sdk.payment.capture(late["id"], 85000, {"currency": "INR"})["status"] == "captured"
    with pytest.raises(BadRequestError, match="already been captured"):
        shop.sdk.payment.capture(late["id"], 85000, {"currency": "INR"})


def test_an_order_is_not_paid_twice(shop: Shop) -> None:
    order = shop.order()
    late = shop.act("payments", order_id=order["id"], late=True)
    shop.act("payments", order_id=order["id"])
    again = shop.act("payments", order_id=order["id"])
    assert again["status"] == "authorized"
    for payment in (late, again):
        with pytest.raises(BadRequestError, match="already paid"):
            shop.sdk.payment.capture(payment["id"], 85000, {"currency": "INR"})


def test_a_merchant_who_captures_himself_is_waited_for(shop: Shop) -> None:
    order = shop.order(payment={"capture": "manual"})
    assert shop.act("payments", order_id=order["id"])["status"] == "authorized"


def test_what_is_never_captured_is_given_back(shop: Shop) -> None:
    options = {"automatic_expiry_period": 12, "manual_expiry_period": 60, "refund_speed": "normal"}
    order = shop.order(payment={"capture": "automatic", "capture_options": options})
    late = shop.act("payments", order_id=order["id"], late=True)
    shop.advance(3600)
    back = shop.sdk.payment.fetch(late["id"])
    assert (back["status"], back["captured"], back["amount_refunded"]) == ("refunded", False, 85000)
    assert [each["amount"] for each in shop.sdk.payment.fetch_multiple_refund(late["id"], {})["items"]] == [85000]


def test_a_payment_is_refunded_in_parts_up_to_its_amount(shop: Shop) -> None:
    payment = shop.paid()
    part = shop.sdk.payment.refund(payment["id"], {"amount": 5000, "notes": {"why": "half"}, "receipt": "r1"})
    assert (part["status"], part["notes"], part["receipt"]) == ("processed", {"why": "half"}, "r1")
    assert shop.sdk.refund.fetch(part["id"]) == part
    assert shop.sdk.payment.fetch(payment["id"])["refund_status"] == "partial"
    with pytest.raises(BadRequestError, match="greater than amount captured"):
        shop.sdk.payment.refund(payment["id"], {"amount": 80001})
    rest = shop.sdk.payment.refund(payment["id"], {})
    refunded = shop.sdk.payment.fetch(payment["id"])
    assert rest["amount"] == 80000
    assert (refunded["status"], refunded["refund_status"], refunded["captured"]) == ("refunded", "full", True)
    with pytest.raises(BadRequestError, match="fully refunded already"):
        shop.sdk.payment.refund(payment["id"], {})
    assert shop.sdk.refund.all({"count": 2})["items"] == [rest, part]


def test_only_captured_payments_are_refunded(shop: Shop) -> None:
    for payment in (shop.paid(upi_id="failure@razorpay"), shop.paid(late=True)):
        with pytest.raises(BadRequestError, match="should be captured"):
            shop.sdk.payment.refund(payment["id"], {})


def test_a_refund_with_the_same_key_is_made_once(shop: Shop) -> None:
    payment = shop.paid()
    first = shop.sdk.payment.refund(payment["id"], {"amount": 5000}, headers=dict(KEY))
    assert shop.sdk.payment.refund(payment["id"], {"amount": 5000}, headers=dict(KEY)) == first
    with pytest.raises(BadRequestError, match="Different request with the same idempotency key"):
        shop.sdk.payment.refund(payment["id"], {"amount": 5001}, headers=dict(KEY))
    with pytest.raises(BadRequestError, match="at least 10 characters"):
        shop.sdk.payment.refund(payment["id"], {"amount": 5000}, headers={"X-Refund-Idempotency": "short"})
    assert shop.sdk.payment.fetch(payment["id"])["amount_refunded"] == 5000


def test_a_refund_that_fails_gives_the_amount_back_to_the_payment(shop: Shop) -> None:
    shop.act("refunds", "PUT", status="pending")
    refund = shop.sdk.payment.refund(shop.paid()["id"], {})
    shop.act("refunds", "PUT", status="processed")
    assert refund["status"] == "pending"
    assert shop.act(f"refunds/{refund['id']}", status="failed")["status"] == "failed"
    payment = shop.sdk.payment.fetch(refund["payment_id"])
    assert (payment["amount_refunded"], payment["refund_status"], payment["status"]) == (0, None, "captured")


def test_a_dispute_is_decided_once(shop: Shop) -> None:
    payment = shop.paid()
    dispute = shop.act("disputes", payment_id=payment["id"], amount=5000)
    assert (dispute["status"], dispute["amount"], dispute["amount_deducted"]) == ("open", 5000, 0)
    assert shop.act(f"disputes/{dispute['id']}", status="under_review")["status"] == "under_review"
    lost = shop.act(f"disputes/{dispute['id']}", status="lost")
    assert (lost["status"], lost["amount_deducted"]) == ("lost", 5000)
    assert shop.sdk.dispute.fetch(dispute["id"]) == lost
    assert lost in shop.sdk.dispute.all({})["items"]
    again = shop.sandbox.control.post(f"/sandbox/razorpay/disputes/{dispute['id']}", json={"status": "won"})
    assert again.status_code == 400


def test_a_settlement_is_what_was_paid_less_fees_refunds_and_disputes() -> None:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        first, second = shop.paid(10000, card="4111111111111111"), shop.paid(20000)
        shop.paid(late=True)
        refund = shop.sdk.payment.refund(first["id"], {"amount": 1000})
        dispute = shop.act("disputes", payment_id=second["id"], amount=3000)
        shop.act(f"disputes/{dispute['id']}", status="lost")
        settlement = shop.act("settlements")
        assert settlement["fees"] + settlement["tax"] == first["fee"] + second["fee"] == 708
        assert settlement["amount"] == 30000 - 708 - 1000 - 3000
        assert shop.sdk.settlement.all({})["items"] == [settlement] == [shop.sdk.settlement.fetch(settlement["id"])]

        day = datetime.fromtimestamp(settlement["created_at"], UTC) + timedelta(hours=5, minutes=30)
        query = {"year": day.year, "month": day.month, "day": day.day, "count": 100}
        lines = shop.sdk.settlement.report(query)["items"]
        assert sum(line["credit"] - line["debit"] for line in lines) == settlement["amount"]
        assert sum(line["fee"] for line in lines) == 708
        assert {line["entity_id"] for line in lines} >= {first["id"], second["id"], refund["id"]}
        assert [line["dispute_id"] for line in lines if line["type"] == "adjustment"] == [dispute["id"]]
        assert shop.sdk.settlement.report({"year": 2020, "month": 1})["items"] == []
        assert sandbox.control.post("/sandbox/razorpay/settlements").status_code == 400


def test_times_are_those_of_the_sandbox(shop: Shop) -> None:
    before = shop.order()["created_at"]
    shop.advance(DAY)
    assert DAY <= shop.order()["created_at"] - before < DAY + 60
    assert before <= time.time() + DAY * 2
