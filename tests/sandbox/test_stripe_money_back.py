"""Money that goes back at Stripe's sandbox, and on to the bank: refunds, disputes, payouts with their fees."""

from collections.abc import Iterator

import pytest
import stripe

from tests.sandbox.stripe_shop import Shop, shop_at
from tests.support.sandbox import running_sandbox
from tests.support.webhook_receiver import receiver


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


def refused(shop: Shop, path: str, **body: object) -> str:
    answer = shop.sandbox.control.post(f"/sandbox/stripe/{path}", json=body)
    assert answer.is_client_error
    return answer.text


def test_a_payment_is_refunded_in_parts_up_to_what_was_paid(shop: Shop) -> None:
    intent = shop.paid(10000)
    refunds = shop.sdk.v1.refunds
    first = refunds.create({"payment_intent": intent.id, "amount": 4000}, {"idempotency_key": "refund:1"})
    assert refunds.create({"payment_intent": intent.id, "amount": 4000}, {"idempotency_key": "refund:1"}).id == first.id
    assert (first.status, first.payment_intent, first.amount) == ("succeeded", intent.id, 4000)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        refunds.create({"payment_intent": intent.id, "amount": 6001})
    second = refunds.create({"charge": str(intent.latest_charge)})
    assert second.amount == 6000
    with pytest.raises(stripe.InvalidRequestError) as over:
        refunds.create({"payment_intent": intent.id})
    assert over.value.code == "charge_already_refunded"
    assert [one.id for one in refunds.list({"payment_intent": intent.id}).data] == [second.id, first.id]
    charge = shop.sdk.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.refunded, charge.amount_refunded) == (True, 10000)


def test_only_what_was_paid_can_be_refunded(shop: Shop) -> None:
    intent = shop.sdk.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        shop.sdk.v1.refunds.create({"payment_intent": intent.id})


def test_a_refund_from_the_dashboard_is_told_and_can_fail_later(shop: Shop) -> None:
    intent = shop.paid(10000)
    with receiver() as hook:
        shop.listen(hook)
        made = shop.act("refunds", payment_intent=intent.id, amount=3000)
        shop.act(f"refunds/{made['id']}/fail")
        shop.webhooks(hook, "refund.created", "charge.refunded", "refund.failed")
    assert shop.sdk.v1.refunds.retrieve(made["id"]).status == "failed"
    assert shop.sdk.v1.charges.retrieve(str(intent.latest_charge)).amount_refunded == 0
    assert "failed" in refused(shop, f"refunds/{made['id']}/fail")


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("won", ("charge.dispute.funds_reinstated", "charge.dispute.closed")), ("lost", ("charge.dispute.closed",))],
)
def test_a_dispute_is_opened_and_decided_by_the_bank(shop: Shop, outcome: str, told: tuple[str, ...]) -> None:
    intent = shop.paid(10000)
    with receiver() as hook:
        shop.listen(hook)
        made = shop.act("disputes", payment_intent=intent.id)
        (found,) = shop.sdk.v1.disputes.list({"payment_intent": intent.id}).data
        assert (found.id, found.status, found.amount) == (made["id"], "needs_response", 10000)
        shop.act(f"disputes/{found.id}/decide", outcome=outcome)
        shop.webhooks(hook, "charge.dispute.created", "charge.dispute.funds_withdrawn", *told)
    assert shop.sdk.v1.disputes.retrieve(found.id).status == outcome
    assert "already closed" in refused(shop, f"disputes/{found.id}/decide", outcome="won")


def test_a_dispute_can_be_given_in_to_and_its_payment_not_refunded(shop: Shop) -> None:
    intent = shop.paid(10000)
    made = shop.act("disputes", payment_intent=intent.id, amount=2500)
    with pytest.raises(stripe.InvalidRequestError) as disputed:
        shop.sdk.v1.refunds.create({"payment_intent": intent.id})
    assert disputed.value.code == "charge_disputed"
    assert "disputed already" in refused(shop, "disputes", payment_intent=intent.id)
    assert shop.sdk.v1.disputes.close(made["id"]).status == "lost"


def test_a_payout_is_the_sum_of_what_it_took_after_fees() -> None:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        intent = shop.paid(10000)
        shop.paid(2500)
        shop.sdk.v1.refunds.create({"payment_intent": intent.id, "amount": 1000})
        made = shop.act("payouts")
        (payout,) = shop.sdk.v1.payouts.list({"status": "paid", "arrival_date": {"gte": made["arrival_date"]}}).data
        # 2.9 % and 30 cents of each payment: 3.20 and 1.03; a refund gives no fee back.
        assert (payout.id, payout.amount, payout.automatic) == (made["id"], 10000 + 2500 - 1000 - 320 - 103, True)
        moved = shop.sdk.v1.balance_transactions.list({"payout": payout.id}).data
        assert sum(one.net for one in moved) == 0
        assert sum(one.fee for one in moved) == 423
        assert sorted(one.type for one in moved) == ["charge", "charge", "payout", "refund"]
        assert "insufficient funds" in refused(shop, "payouts")


def test_what_the_dashboard_can_not_do_is_said(shop: Shop) -> None:
    assert "No such payment intent" in refused(shop, "disputes", payment_intent="pi_no")
    _, method = shop.saved_card()
    answer = shop.sandbox.control.put(f"/sandbox/stripe/payment_methods/{method}", json={"number": "1"})
    assert (answer.status_code, "number: must be one of" in answer.text) == (422, True)
