"""Webhooks of Razorpay: only genuine ones are read, and what they say without another question to Razorpay."""

import hmac
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.payments.gateway import Dispute, Payment, Payout, WebhookForged, WebhookUnreadable
from tests.payments.razorpay_harness import RETIRED_SECRET, event, gateway_at, proof_of, signed
from tests.support.sandbox import RAZORPAY_KEY_SECRET

AT = 1_700_000_000
# No server listens there: reading these webhooks must not ask Razorpay.
GATEWAY = gateway_at("http://127.0.0.1:1")
DISPUTE = {
    "id": "disp_1",
    "payment_id": "pay_1",
    "amount": 85000,
    "currency": "INR",
    "status": "open",
    "phase": "chargeback",
    "created_at": AT,
}
SETTLEMENT = {"id": "setl_1", "amount": 83000, "status": "processed", "fees": 1700, "tax": 300, "created_at": AT}


def test_the_second_secret_verifies_too() -> None:
    raw, headers = signed(event("settlement.processed", settlement=SETTLEMENT), RETIRED_SECRET)
    assert GATEWAY.webhook(raw, headers).type == "settlement.processed"


@pytest.mark.parametrize("signature", ["", "00", "ä" * 64, "\udcff" * 64, "not hex"])
def test_another_signature_is_forged(signature: str) -> None:
    raw, _ = signed(event("settlement.processed", settlement=SETTLEMENT))
    with pytest.raises(WebhookForged):
        GATEWAY.webhook(raw, {"x-razorpay-signature": signature})


def test_a_missing_signature_and_a_changed_body_are_forged() -> None:
    raw, headers = signed(event("settlement.processed", settlement=SETTLEMENT))
    with pytest.raises(WebhookForged):
        GATEWAY.webhook(raw, {})
    with pytest.raises(WebhookForged):
        GATEWAY.webhook(raw.replace(b"83000", b"93000"), headers)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], None),
        ({**event("x"), "event": 1}, "event"),
        ({**event("x"), "created_at": "today"}, "created_at"),
        ({**event("x"), "created_at": True}, "created_at"),
        ({**event("x"), "payload": []}, "payload"),
        (event("payment.dispute.created"), "payload.dispute.entity"),
        (event("payment.dispute.created", dispute={**DISPUTE, "amount": 1.5}), "payload.dispute.entity"),
    ],
)
def test_a_genuine_message_of_another_form_is_unreadable_and_names_the_field(body: Any, field: str | None) -> None:
    with pytest.raises(WebhookUnreadable) as error:
        GATEWAY.webhook(*signed(body))
    assert error.value.field == field


def test_a_body_that_is_no_json_is_unreadable() -> None:
    raw = b"\xff{"
    with pytest.raises(WebhookUnreadable):
        GATEWAY.webhook(raw, proof_of(raw))


def test_the_id_is_of_the_signed_body_and_not_of_the_header() -> None:
    raw, headers = signed(event("payment.dispute.created", dispute=DISPUTE))
    first = GATEWAY.webhook(raw, {**headers, "x-razorpay-event-id": "one"})
    again = GATEWAY.webhook(raw, {**headers, "x-razorpay-event-id": "two"})
    later = GATEWAY.webhook(*signed(event("payment.dispute.won", AT + 60, dispute={**DISPUTE, "status": "won"})))
    assert first == again
    assert first.event_id == f"disp_1:payment.dispute.created:{AT}"
    assert later.event_id != first.event_id


@pytest.mark.parametrize("name", ["subscription.charged", "payment.downtime.started", "qr_code.credited", "odd"])
def test_what_is_not_ours_is_no_news_and_has_an_id_of_its_own(name: str) -> None:
    one = GATEWAY.webhook(*signed(event(name, thing={"id": "thing_1"})))
    other = GATEWAY.webhook(*signed(event(name, thing={"id": "thing_2"})))
    assert one.update is other.update is None
    assert one.event_id != other.event_id


@pytest.mark.parametrize(
    ("status", "phase", "ours"),
    [
        ("open", "chargeback", "open"),
        ("under_review", "chargeback", "open"),
        ("won", "pre_arbitration", "won"),
        ("lost", "arbitration", "lost"),
        ("closed", "chargeback", "won"),
        ("open", "fraud", None),
        ("closed", "retrieval", None),
    ],
)
def test_a_dispute_is_open_until_the_bank_decides_and_a_question_is_none(
    status: str, phase: str, ours: str | None
) -> None:
    dispute = {**DISPUTE, "status": status, "phase": phase}
    update = GATEWAY.webhook(*signed(event(f"payment.dispute.{status}", dispute=dispute))).update
    if ours is None:
        assert update is None
    else:
        assert isinstance(update, Dispute)
        assert update == ("disp_1", "pay_1", ours, "INR", 85000, datetime.fromtimestamp(AT, UTC))


def test_a_settlement_is_a_payout_with_fees_and_tax() -> None:
    webhook = GATEWAY.webhook(*signed(event("settlement.processed", settlement=SETTLEMENT)))
    assert webhook.update == Payout("setl_1", "INR", 83000, 2000, datetime.fromtimestamp(AT, UTC))
    assert webhook.created == datetime.fromtimestamp(AT, UTC)


def test_the_key_says_whether_money_moves() -> None:
    settlement = signed(event("settlement.processed", settlement=SETTLEMENT))
    live = gateway_at("https://api.razorpay.com", payments="live", razorpay_key_id="rzp_live_1")
    assert live.webhook(*settlement).live
    assert not GATEWAY.webhook(*settlement).live


def test_what_the_browser_brings_back_must_be_razorpays_word() -> None:
    def sign(text: str) -> str:
        return hmac.digest(RAZORPAY_KEY_SECRET.encode(), text.encode(), "sha256").hex()

    genuine = sign("order_1|pay_1")
    assert GATEWAY.verify_return("order_1", "pay_1", genuine)
    assert not GATEWAY.verify_return("order_1", "pay_2", genuine)
    assert not GATEWAY.verify_return("order_1", "pay_1", genuine[:-1])
    assert not GATEWAY.verify_return("order_1", "pay_1", "ä" * 64)
    assert not GATEWAY.verify_return("", "order_1|pay_1", sign("|order_1|pay_1"))


@pytest.mark.parametrize(
    ("reason", "decline"),
    [
        ("insufficient_funds", "soft"),
        ("a_reason_that_is_new", "soft"),
        ("card_expired", "hard"),
        ("debit_instrument_blocked", "hard"),
        ("authentication_failed", "authentication_required"),
        ("payment_cancelled", "authentication_required"),
        (None, "soft"),
    ],
)
def test_a_reason_says_how_to_meet_a_decline(reason: str | None, decline: str) -> None:
    failed = {"id": "pay_1", "amount": 85000, "currency": "INR", "status": "failed", "captured": False}
    failed |= {"created_at": AT, "error_code": "BAD_REQUEST_ERROR", "error_reason": reason}
    update = GATEWAY.webhook(*signed(event("payment.failed", payment=failed))).update
    assert isinstance(update, Payment)
    assert (update.status, update.failure, update.decline) == ("failed", reason or "BAD_REQUEST_ERROR", decline)
