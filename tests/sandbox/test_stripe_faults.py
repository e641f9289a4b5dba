"""What goes wrong between a client and Stripe: every fault of the sandbox, and idempotency keys through all of them."""

import threading
from collections.abc import Iterator

import pytest
import stripe

from tests.sandbox.stripe_shop import Shop, shop_at, until
from tests.support.sandbox import STRIPE_KEY, running_sandbox

CREATE = "payment_intents.create"
DAY = 24 * 3600


@pytest.fixture(scope="module")
def running() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


@pytest.fixture
def shop(running: Shop) -> Iterator[Shop]:
    yield running
    running.sandbox.control.delete("/sandbox/faults").raise_for_status()
    running.sandbox.control.delete("/sandbox/calls").raise_for_status()


def test_the_same_key_gives_the_first_answer_and_charges_once(shop: Shop) -> None:
    params = shop.off_session()
    answers = [shop.sdk.v1.payment_intents.create(params, {"idempotency_key": "topup:1:1"}) for _ in range(3)]
    assert len({intent.id for intent in answers}) == 1
    assert len(shop.charges(params["customer"])) == 1
    first, second, _ = (answer.last_response for answer in answers)  # type: ignore[attr-defined]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["original-request"] == first.headers["request-id"] != second.headers["request-id"]


def test_a_decline_is_replayed_too_until_there_is_another_key(shop: Shop) -> None:
    customer, method = shop.saved_card()
    shop.act(f"payment_methods/{method}", "PUT", number="4000000000009995")
    params = shop.charging(customer, method)
    for _ in range(2):
        with pytest.raises(stripe.CardError, match="insufficient funds"):
            shop.sdk.v1.payment_intents.create(params, {"idempotency_key": "topup:2:1"})
        shop.act(f"payment_methods/{method}", "PUT", number="4242424242424242")
    assert [charge.paid for charge in shop.charges(customer)] == [False]
    shop.sdk.v1.payment_intents.create(params, {"idempotency_key": "topup:2:2"})
    assert [charge.paid for charge in shop.charges(customer)] == [True, False]


def test_a_key_belongs_to_its_parameters(shop: Shop) -> None:
    params = shop.off_session()
    shop.sdk.v1.payment_intents.create(params, {"idempotency_key": "topup:3:1"})
    with pytest.raises(stripe.IdempotencyError) as refused:
        shop.sdk.v1.payment_intents.create({**params, "amount": 1}, {"idempotency_key": "topup:3:1"})
    assert refused.value.http_status == 400


def test_a_request_that_was_refused_unread_leaves_its_key_free(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.sdk.v1.payment_intents.create({"currency": "usd"}, {"idempotency_key": "k4"})  # type: ignore[typeddict-item]
    shop.sdk.v1.payment_intents.create(shop.off_session(), {"idempotency_key": "k4"})


def test_a_key_is_forgotten_after_a_day(shop: Shop) -> None:
    params = shop.off_session()
    options: stripe.RequestOptions = {"idempotency_key": "topup:5:1"}
    first = shop.sdk.v1.payment_intents.create(params, options)
    shop.advance(DAY - 60)
    assert shop.sdk.v1.payment_intents.create(params, options).id == first.id
    shop.advance(60)
    assert shop.sdk.v1.payment_intents.create(params, options).id != first.id
    assert len(shop.charges(params["customer"])) == 2


def test_a_second_request_with_a_key_in_use_is_refused(shop: Shop) -> None:
    params = shop.off_session()
    shop.sandbox.fault("slow", CREATE, times=1, seconds=1.5)
    done: list[stripe.PaymentIntent] = []
    options: stripe.RequestOptions = {"idempotency_key": "topup:6:1"}
    slow = threading.Thread(target=lambda: done.append(shop.sdk.v1.payment_intents.create(params, options)))
    slow.start()
    until(lambda: shop.sandbox.calls("stripe", CREATE) == 1)
    with pytest.raises(stripe.APIError) as refused:
        shop.sdk.v1.payment_intents.create(params, options)
    assert (refused.value.http_status, refused.value.code) == (409, None)
    assert "in-progress" in str(refused.value)
    slow.join()
    assert done[0].status == "succeeded"
    assert len(shop.charges(params["customer"])) == 1


@pytest.mark.parametrize(
    ("fault", "error", "charged"),
    [
        ("error_before", stripe.APIError, 0),
        ("error_after", stripe.APIError, 1),
        ("reset_before", stripe.APIConnectionError, 0),
        ("reset_after", stripe.APIConnectionError, 1),
        ("timeout_after", stripe.APIConnectionError, 1),
    ],
)
def test_whatever_the_client_saw_the_key_finds_out_and_charges_once(
    shop: Shop, fault: str, error: type[Exception], charged: int
) -> None:
    params = shop.off_session()
    hasty = shop.client(STRIPE_KEY, seconds=1)
    shop.sandbox.fault(fault, CREATE, times=1, seconds=3)
    options: stripe.RequestOptions = {"idempotency_key": f"topup:{fault}"}
    with pytest.raises(error):
        hasty.v1.payment_intents.create(params, options)
    assert len(shop.charges(params["customer"])) == charged
    assert hasty.v1.payment_intents.create(params, options).status == "succeeded"
    assert len(shop.charges(params["customer"])) == 1
    assert shop.sandbox.calls("stripe", CREATE) == 2


def test_the_sdks_own_retries_charge_once(shop: Shop) -> None:
    params = shop.off_session()
    patient = shop.client(STRIPE_KEY, retries=2)
    shop.sandbox.fault("reset_after", CREATE, times=1)
    shop.sandbox.fault("error_before", CREATE, times=1)
    assert patient.v1.payment_intents.create(params).status == "succeeded"
    assert shop.sandbox.calls("stripe", CREATE) == 3
    assert len(shop.charges(params["customer"])) == 1


def test_a_client_that_gave_up_on_a_slow_charge_is_charged_afterwards(shop: Shop) -> None:
    params = shop.off_session()
    shop.sandbox.fault("slow", CREATE, times=1, seconds=2)
    with pytest.raises(stripe.APIConnectionError):
        shop.client(STRIPE_KEY, seconds=1).v1.payment_intents.create(params, {"idempotency_key": "topup:slow"})
    assert shop.charges(params["customer"]) == []
    until(lambda: len(shop.charges(params["customer"])) == 1)


def test_a_fault_hits_only_what_it_is_for_and_until_it_is_switched_off(shop: Shop) -> None:
    shop.sandbox.fault("error_before", "payment_intents.*")
    shop.sandbox.fault("error_before", provider="razorpay")
    shop.customer()
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            shop.sdk.v1.payment_intents.list()
    shop.sandbox.control.delete("/sandbox/faults?provider=stripe").raise_for_status()
    shop.sdk.v1.payment_intents.list()
    assert [fault["provider"] for fault in shop.sandbox.control.get("/sandbox").json()["faults"]] == ["razorpay"]


def test_a_probability_draws_the_same_from_the_same_seed(shop: Shop) -> None:
    def outcomes() -> list[bool]:
        shop.sandbox.fault("error_before", "customers.retrieve", probability=0.5, seed=7)
        found = []
        for _ in range(20):
            try:
                shop.sdk.v1.customers.retrieve(customer)
                found.append(True)
            except stripe.APIError:
                found.append(False)
        shop.sandbox.control.delete("/sandbox/faults").raise_for_status()
        return found

    customer = shop.customer()
    first = outcomes()
    assert 2 < sum(first) < 18
    assert outcomes() == first


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"fault": "flood", "provider": "stripe"}, "fault"),
        ({"fault": "lost", "provider": "paypal"}, "provider"),
        ({"fault": "lost", "provider": "stripe", "probability": 2}, "probability"),
        ({"fault": "lost", "provider": "stripe", "often": 2}, "often"),
    ],
)
def test_a_fault_that_there_is_not_is_refused_by_its_field(shop: Shop, fault: dict[str, object], field: str) -> None:
    answer = shop.sandbox.control.post("/sandbox/faults", json=fault)
    assert answer.status_code == 422
    assert [problem["loc"][-1] for problem in answer.json()["detail"]] == [field]
