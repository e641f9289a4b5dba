"""What Stripe's objects say in our words."""

from typing import Any

import pytest
import stripe

from ledger.payments.stripe import translation
from ledger.payments.stripe.declines import decline_of

DECLINED = {"code": "card_declined", "decline_code": "insufficient_funds", "type": "card_error"}


def intent(status: str, **more: Any) -> stripe.PaymentIntent:
    said = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 1000,
        "amount_received": 1000 if status == "succeeded" else 0,
        "created": 1_790_000_000,
        "currency": "usd",
        "last_payment_error": None,
        "metadata": {},
        "next_action": None,
        "status": status,
    }
    return stripe.PaymentIntent.construct_from(said | more, "sk_test_x")


def page(status: str) -> stripe.checkout.Session:
    said = {
        "id": "cs_1",
        "object": "checkout.session",
        "amount_total": 1000,
        "created": 1_790_000_001,
        "currency": "usd",
        "metadata": {"ledger_purchase": "p"},
        "mode": "payment",
        "payment_intent": None,
        "status": status,
        "url": "https://checkout.example/1" if status == "open" else None,
    }
    return stripe.checkout.Session.construct_from(said, "sk_test_x")


@pytest.mark.parametrize(
    ("status", "error", "ends"),
    [
        ("succeeded", None, "paid"),
        ("canceled", None, "failed"),
        ("processing", None, "pending"),
        ("requires_action", None, "pending"),
        ("requires_confirmation", None, "pending"),
        ("requires_payment_method", None, "pending"),
        ("requires_payment_method", DECLINED, "failed"),
    ],
)
def test_a_payment_by_a_saved_method_is(status: str, error: dict[str, str] | None, ends: str) -> None:
    payment = translation.payment_of(intent(status, last_payment_error=error))
    assert payment.status == ends
    assert payment.reference == "pi_1"
    assert (payment.failure, payment.decline) == (("insufficient_funds", "soft") if error else (None, None))


def test_a_paid_payment_has_no_failure_whatever_was_declined_before() -> None:
    assert translation.payment_of(intent("succeeded", last_payment_error=DECLINED)) == translation.payment_of(
        intent("succeeded")
    )


def test_a_decline_on_a_page_is_not_the_end_while_the_page_is_open() -> None:
    declined = intent("requires_payment_method", last_payment_error=DECLINED, metadata=translation.ON_PAGE)
    for payment in (translation.payment_of(declined), translation.payment_of(declined, page("open"))):
        assert (payment.status, payment.failure) == ("pending", "insufficient_funds")
    # A bank debit that bounced days later: the page is complete, so the customer can't continue there.
    assert translation.payment_of(declined, page("complete")).status == "failed"


def test_a_payment_on_a_page_has_the_reference_of_the_page_where_that_is_known() -> None:
    paid = intent("succeeded", metadata=translation.ON_PAGE)
    assert translation.payment_of(paid).reference is None
    assert translation.payment_of(paid, page("complete")).reference == "cs_1"
    assert translation.payment_of(paid)._replace(reference="cs_1") == translation.payment_of(paid, page("complete"))


@pytest.mark.parametrize(("status", "ends"), [("open", "pending"), ("expired", "failed")])
def test_a_page_that_nobody_used_goes_by_its_own_id(status: str, ends: str) -> None:
    payment = translation.payment_of_untried_page(page(status))
    assert (payment.payment_id, payment.reference, payment.status) == ("cs_1", "cs_1", ends)
    assert (payment.amount_minor, payment.currency) == (1000, "USD")


@pytest.mark.parametrize(
    ("failure", "decline"),
    [
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, "soft"),
        ({"code": "card_declined", "decline_code": "do_not_honor"}, "soft"),
        ({"code": "card_declined", "decline_code": "something_new"}, "soft"),
        ({"code": "processing_error"}, "soft"),
        ({"code": "card_declined", "decline_code": "generic_decline", "advice_code": "try_again_later"}, "soft"),
        ({"code": "card_declined", "decline_code": "generic_decline", "advice_code": "confirm_card_data"}, "hard"),
        ({"code": "card_declined", "decline_code": "do_not_honor", "advice_code": "do_not_try_again"}, "hard"),
        ({"code": "card_declined", "decline_code": "lost_card"}, "hard"),
        ({"code": "card_declined", "decline_code": "fraudulent"}, "hard"),
        ({"code": "expired_card"}, "hard"),
        ({"code": "authentication_required"}, "authentication_required"),
        ({"code": "card_declined", "decline_code": "authentication_required"}, "authentication_required"),
        ({"code": "payment_intent_authentication_failure"}, "authentication_required"),
    ],
)
def test_a_decline_is_met(failure: dict[str, str], decline: str) -> None:
    assert decline_of(failure) == decline


def refund(id_: str, amount: int, created: int, status: str = "succeeded") -> stripe.Refund:
    said = {"id": id_, "object": "refund", "amount": amount, "created": created, "currency": "usd", "status": status}
    return stripe.Refund.construct_from(said | {"payment_intent": "pi_1"}, "sk_test_x")


def test_what_went_back_before_counts_by_time_then_id_and_leaves_out_what_failed() -> None:
    refunds = [
        refund("re_b", 7, 20),
        refund("re_a", 5, 20, "pending"),
        refund("re_c", 100, 10, "failed"),
        refund("re_d", 50, 10, "canceled"),
        refund("re_e", 3, 10),
        refund("re_f", 11, 30),
    ]
    before = {each.id: translation.refund_of(each, refunds).before_minor for each in refunds}
    assert before == {"re_e": 0, "re_c": 0, "re_d": 0, "re_a": 3, "re_b": 8, "re_f": 15}
    assert translation.refund_of(refunds[2], refunds).status == "failed"


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        ("needs_response", "open"),
        ("under_review", "open"),
        ("won", "won"),
        ("lost", "lost"),
        ("warning_needs_response", None),
        ("warning_under_review", None),
        ("warning_closed", None),
        ("prevented", None),
    ],
)
def test_a_dispute_takes_money_back_or_is_none(status: str, ends: str | None) -> None:
    said = {"id": "du_1", "object": "dispute", "amount": 5, "created": 1, "currency": "eur", "payment_intent": "pi_1"}
    dispute = translation.dispute_of(stripe.Dispute.construct_from(said | {"status": status}, "sk_test_x"))
    assert (dispute and dispute.status) == ends


def test_the_fees_of_a_payout_are_those_of_its_payments_and_those_taken_by_themselves() -> None:
    def moved(type_: str, amount: int, fee: int) -> stripe.BalanceTransaction:
        return stripe.BalanceTransaction.construct_from({"type": type_, "amount": amount, "fee": fee}, "sk_test_x")

    said = {"id": "po_1", "object": "payout", "amount": 9650, "created": 1, "currency": "usd"}
    movements = [moved("charge", 10_000, 320), moved("stripe_fee", -30, 0), moved("payout", -9650, 0)]
    payout = translation.payout_of(stripe.Payout.construct_from(said, "sk_test_x"), movements)
    assert (payout.amount_minor, payout.fee_minor) == (9650, 350)
