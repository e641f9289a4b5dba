"""Stripe's hosted pages in the sandbox, without JavaScript: pay, save, be declined, go to the bank, cancel, expire."""

from collections.abc import Iterator

import httpx
import pytest
import stripe

from tests.sandbox.stripe_shop import SHOP, Shop, shop_at
from tests.support.sandbox import running_sandbox
from tests.support.webhook_receiver import receiver

DECLINED, NO_FUNDS, EXPIRED = "4000 0000 0000 0002", "4000000000009995", "4000000000000069"
ASKS_ONCE = "4000 0025 0000 3155"


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


def assert_back(answer: httpx.Response, session: stripe.checkout.Session) -> None:
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SHOP}?session_id={session.id}")


def test_a_new_card_pays_and_is_saved_for_later(shop: Shop) -> None:
    customer = shop.customer()
    session = shop.page(
        customer=customer,
        client_reference_id="p1",
        metadata={"purchase": "p1"},
        payment_intent_data={"setup_future_usage": "off_session", "metadata": {"purchase": "p1"}},
        billing_address_collection="required",
        customer_update={"address": "auto", "name": "auto"},
    )
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    form = shop.browser.get(session.url or "").text
    assert "$25.00" in form
    assert "saved for later" in form
    assert_back(shop.fill_in(session.url, line1="Unter den Linden 1", city="Berlin", postal_code="10117"), session)
    paid = shop.sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (paid.status, paid.payment_status, paid.amount_total, paid.url) == ("complete", "paid", 2500, None)
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    assert paid.payment_intent.metadata.to_dict() == {"purchase": "p1"}
    assert paid.customer_details is not None
    assert paid.customer_details.address is not None
    assert paid.customer_details.address.city == "Berlin"
    known = shop.sdk.v1.customers.retrieve(customer)
    assert known.address is not None
    assert known.address.line1 == "Unter den Linden 1"
    (saved,) = shop.sdk.v1.customers.payment_methods.list(customer).data
    charged = shop.sdk.v1.payment_intents.create(shop.charging(customer, saved.id))
    assert charged.status == "succeeded"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (DECLINED, "Your card was declined."),
        (NO_FUNDS, "Your card has insufficient funds."),
        (EXPIRED, "Your card has expired."),
    ],
)
def test_after_a_decline_the_page_takes_another_card_for_the_same_payment(shop: Shop, number: str, said: str) -> None:
    customer = shop.customer()
    session = shop.page(customer=customer)
    assert said in shop.fill_in(session.url, number).text
    tried = shop.sdk.v1.checkout.sessions.retrieve(session.id)
    assert (tried.status, tried.payment_status) == ("open", "unpaid")
    assert_back(shop.fill_in(session.url), session)
    assert shop.sdk.v1.checkout.sessions.retrieve(session.id).payment_intent == tried.payment_intent
    assert [charge.paid for charge in shop.charges(customer)] == [True, False]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"number": "4111"}, "only test cards"),
        ({"expiry": "soon"}, "expiration date is incomplete"),
        ({"expiry": "12/20"}, "in the past"),
        ({"cvc": "x"}, "security code"),
        ({"number": "<b>1</b>"}, "&lt;b&gt;1"),
    ],
)
def test_what_is_no_card_is_said_on_the_page_and_tries_nothing(shop: Shop, typed: dict[str, str], said: str) -> None:
    session = shop.page()
    assert said in shop.fill_in(session.url, **typed).text
    assert shop.sdk.v1.checkout.sessions.retrieve(session.id).payment_intent is None


def test_the_customer_decides_whether_the_card_is_saved(shop: Shop) -> None:
    customer = shop.customer()
    session = shop.page(customer=customer)
    assert "Save this card" in shop.browser.get(session.url or "").text
    shop.fill_in(session.url)
    assert shop.sdk.v1.customers.payment_methods.list(customer).data == []
    shop.fill_in(shop.page(customer=customer).url, save="yes")
    assert len(shop.sdk.v1.customers.payment_methods.list(customer).data) == 1


def test_the_bank_asks_on_a_second_page_and_then_never_again(shop: Shop) -> None:
    customer = shop.customer()
    session = shop.page(customer=customer, payment_intent_data={"setup_future_usage": "off_session"})
    bank = shop.fill_in(session.url, ASKS_ONCE).headers["location"]
    assert shop.charges(customer) == []
    failed = shop.browser.post(bank, data={"answer": "fail"})
    assert "failed authentication" in failed.text
    bank = shop.fill_in(session.url, ASKS_ONCE).headers["location"]
    assert "$25.00" in shop.browser.get(bank).text
    assert_back(shop.browser.post(bank, data={"answer": "complete"}), session)
    (saved,) = shop.sdk.v1.customers.payment_methods.list(customer).data
    assert shop.sdk.v1.payment_intents.create(shop.charging(customer, saved.id)).status == "succeeded"


def test_a_page_saves_a_card_without_a_payment(shop: Shop) -> None:
    customer = shop.customer()
    session = shop.card_page(customer)
    assert "Your card was declined" in shop.fill_in(session.url, DECLINED).text
    bank = shop.fill_in(session.url, ASKS_ONCE).headers["location"]
    assert_back(shop.browser.post(bank, data={"answer": "complete"}), session)
    done = shop.sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert (done.status, done.payment_status, done.payment_intent) == ("complete", "no_payment_required", None)
    assert isinstance(done.setup_intent, stripe.SetupIntent)
    assert done.setup_intent.status == "succeeded"
    (saved,) = shop.sdk.v1.customers.payment_methods.list(customer).data
    assert done.setup_intent.payment_method == saved.id
    assert shop.charges(customer) == []


def test_a_tax_id_from_the_page_is_the_customers(shop: Shop) -> None:
    customer = shop.customer()
    session = shop.page(customer=customer, tax_id_collection={"enabled": True})
    shop.fill_in(session.url, tax_type="eu_vat", tax_value="DE123456789")
    assert [one.value for one in shop.sdk.v1.customers.tax_ids.list(customer).data] == ["DE123456789"]


def test_who_cancels_can_come_back_and_who_has_paid_is_sent_on(shop: Shop) -> None:
    session = shop.page(customer=shop.customer())
    assert session.url is not None
    assert shop.browser.post(f"{session.url}/cancel").headers["location"] == SHOP
    assert_back(shop.fill_in(session.url), session)
    assert_back(shop.fill_in(session.url), session)
    assert_back(shop.browser.get(session.url), session)
    assert shop.sandbox.calls("stripe", "checkout.page.pay") >= 2
    assert len(shop.charges(session.customer)) == 1  # type: ignore[arg-type]


def test_a_page_expires_by_itself_and_says_so(shop: Shop) -> None:
    session = shop.page(customer=shop.customer())
    shop.fill_in(session.url, DECLINED)
    with receiver() as hook:
        shop.listen(hook)
        shop.advance(24 * 3600)
        types = [event.type for event in shop.webhooks(hook, "checkout.session.expired", "payment_intent.canceled")]
    assert types.count("checkout.session.expired") >= 1
    assert shop.sdk.v1.checkout.sessions.retrieve(session.id).status == "expired"
    gone = shop.fill_in(session.url)
    assert (gone.status_code, "has expired" in gone.text) == (410, True)
    assert [each.id for each in shop.sdk.v1.checkout.sessions.list({"status": "open"}).data] == []


def test_a_page_is_ended_once(shop: Shop) -> None:
    session = shop.page()
    assert shop.sdk.v1.checkout.sessions.expire(session.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError):
        shop.sdk.v1.checkout.sessions.expire(session.id)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"expires_at": 1}, "expires_at"),
        ({"line_items": []}, "line_items"),
        ({"mode": "subscription"}, "mode"),
        ({"customer_update": {"name": "auto"}}, "customer_update"),
        ({"payment_method_types": ["card"]}, "payment_method_types"),
    ],
)
def test_a_page_that_stripe_would_not_make_is_refused(shop: Shop, more: dict[str, object], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.page(**more)
    assert (refused.value.param or "").startswith(param)
