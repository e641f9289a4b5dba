"""Payments at Stripe's sandbox with Stripe's own SDK: customers, saved cards, declines, 3-D Secure, lists, refusals."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import stripe

from tests.sandbox.stripe_shop import SHOP, Shop, shop_at
from tests.support.sandbox import running_sandbox


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_sandbox() as sandbox, shop_at(sandbox) as shop:
        yield shop


def test_a_customer_is_changed_and_only_where_something_is_given(shop: Shop) -> None:
    address = {"line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE"}
    customers = shop.sdk.v1.customers
    made = customers.create({"name": "Ada", "email": "ada@example.com", "metadata": {"account": "acct_1", "old": "x"}})
    customers.update(made.id, {"name": "Ada L.", "address": address, "metadata": {"old": ""}})  # type: ignore[typeddict-item]
    found = customers.retrieve(made.id)
    assert (found.name, found.email, found.livemode) == ("Ada L.", "ada@example.com", False)
    assert found.metadata is not None
    assert found.metadata.to_dict() == {"account": "acct_1"}
    assert found.address is not None
    assert (found.address.city, found.address.line2) == ("Berlin", None)


def test_tax_ids_are_added_listed_and_taken_away(shop: Shop) -> None:
    kept = {"type": "eu_vat", "value": "DE123456789"}
    customer = shop.sdk.v1.customers.create({"tax_id_data": [kept]})  # type: ignore[list-item]
    tax_ids = shop.sdk.v1.customers.tax_ids
    other = tax_ids.create(customer.id, {"type": "in_gst", "value": "12ABCDE3456FGZH"})
    assert {one.value for one in tax_ids.list(customer.id).data} == {"DE123456789", "12ABCDE3456FGZH"}
    assert tax_ids.delete(customer.id, other.id).deleted
    assert [one.type for one in tax_ids.list(customer.id).data] == ["eu_vat"]


def test_a_saved_card_is_the_default_until_it_is_detached(shop: Shop) -> None:
    customer, method = shop.saved_card()
    shop.sdk.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    settings = shop.sdk.v1.customers.retrieve(customer).invoice_settings
    assert settings is not None
    assert settings.default_payment_method == method
    (listed,) = shop.sdk.v1.customers.payment_methods.list(customer).data
    assert listed.card is not None
    assert (listed.card.brand, listed.card.last4) == ("visa", "4242")
    shop.sdk.v1.payment_methods.detach(method)
    assert shop.sdk.v1.payment_methods.list({"customer": customer}).data == []
    settings = shop.sdk.v1.customers.retrieve(customer).invoice_settings
    assert settings is not None
    assert settings.default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        shop.sdk.v1.payment_intents.create({**shop.charging(customer, method)})


def test_nobody_pays_with_somebody_elses_card(shop: Shop) -> None:
    _, method = shop.saved_card()
    other = shop.customer()
    with pytest.raises(stripe.InvalidRequestError):
        shop.sdk.v1.customers.update(other, {"invoice_settings": {"default_payment_method": method}})
    with pytest.raises(stripe.InvalidRequestError, match="another customer"):
        shop.sdk.v1.payment_intents.create(shop.charging(other, method))


def test_a_saved_card_is_charged_off_session(shop: Shop) -> None:
    params = {**shop.off_session(), "expand": ["latest_charge.balance_transaction"]}
    intent = shop.sdk.v1.payment_intents.create(params)  # type: ignore[arg-type]
    assert (intent.status, intent.amount_received, intent.livemode) == ("succeeded", 20000, False)
    assert intent.metadata.to_dict() == {"trigger_id": "t1"}
    assert isinstance(intent.latest_charge, stripe.Charge)
    movement = intent.latest_charge.balance_transaction
    assert isinstance(movement, stripe.BalanceTransaction)
    assert (movement.fee, movement.net) == (610, 19390)  # 2.9 % and 30 cents


@pytest.mark.parametrize(
    ("card", "code", "decline_code", "advice_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline", "try_again_later"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", "try_again_later"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "confirm_card_data"),
    ],
)
def test_a_decline_says_why_and_leaves_the_payment_to_be_paid_otherwise(
    shop: Shop, card: str, code: str, decline_code: str, advice_code: str
) -> None:
    with pytest.raises(stripe.CardError) as declined:
        shop.sdk.v1.payment_intents.create({"amount": 500, "currency": "usd", "payment_method": card, "confirm": True})
    error = declined.value.error
    assert (declined.value.http_status, declined.value.code) == (402, code)
    assert error is not None
    assert (error.decline_code, error.advice_code) == (decline_code, advice_code)
    assert declined.value.request_id
    assert error.payment_intent is not None
    intent = shop.sdk.v1.payment_intents.retrieve(error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.decline_code == decline_code
    assert shop.sdk.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_a_card_that_declines_can_not_be_saved_but_one_that_fails_later_can(shop: Shop) -> None:
    with pytest.raises(stripe.CardError):
        shop.saved_card("pm_card_chargeDeclined")
    params = shop.off_session("pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError, match="declined"):
        shop.sdk.v1.payment_intents.create(params)


def test_a_saved_card_can_lose_its_money_and_get_some_again(shop: Shop) -> None:
    customer, method = shop.saved_card()
    shop.act(f"payment_methods/{method}", "PUT", number="4000000000009995")
    with pytest.raises(stripe.CardError, match="insufficient funds"):
        shop.sdk.v1.payment_intents.create(shop.charging(customer, method))
    shop.act(f"payment_methods/{method}", "PUT", number="4242424242424242")
    assert shop.sdk.v1.payment_intents.create(shop.charging(customer, method)).status == "succeeded"
    assert [charge.paid for charge in shop.charges(customer)] == [True, False]


def test_a_card_that_wants_its_customer_is_declined_off_session(shop: Shop) -> None:
    with pytest.raises(stripe.CardError) as declined:
        shop.sdk.v1.payment_intents.create(shop.off_session("pm_card_authenticationRequired"))
    assert declined.value.code == "authentication_required"


@pytest.mark.parametrize(("answer", "status"), [("complete", "succeeded"), ("fail", "requires_payment_method")])
def test_on_session_the_bank_asks_and_the_customer_comes_back(shop: Shop, answer: str, status: str) -> None:
    customer, method = shop.saved_card("pm_card_authenticationRequired")
    intent = shop.sdk.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "customer": customer,
            "payment_method": method,
            "confirm": True,
            "return_url": SHOP,
        }
    )
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    url = intent.next_action.redirect_to_url.url
    assert url is not None
    assert "Complete" in shop.browser.get(url).text
    back = shop.browser.post(url, data={"answer": answer})
    assert back.status_code == 303
    query = parse_qs(urlsplit(back.headers["location"]).query)
    assert query["payment_intent"] == [intent.id]
    assert query["redirect_status"] == ["succeeded" if answer == "complete" else "failed"]
    assert shop.sdk.v1.payment_intents.retrieve(intent.id).status == status
    assert "nothing to confirm" in shop.browser.get(url).text


def test_a_canceled_payment_stays_canceled_and_a_paid_one_paid(shop: Shop) -> None:
    intents = shop.sdk.v1.payment_intents
    intent = intents.create({"amount": 500, "currency": "usd"})
    assert intents.cancel(intent.id).status == "canceled"
    for id_ in (intent.id, shop.paid().id):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            intents.cancel(id_)
        assert refused.value.code == "payment_intent_unexpected_state"


def test_lists_are_paged_newest_first_and_begin_at_a_time(shop: Shop) -> None:
    customer, method = shop.saved_card()
    made = []
    for amount in (1000, 2000, 3000):
        made.append(shop.sdk.v1.payment_intents.create(shop.charging(customer, method, amount)))
        shop.advance(60)
    pages = shop.sdk.v1.payment_intents.list({"customer": customer, "limit": 2})
    assert (len(pages.data), pages.has_more) == (2, True)
    assert [intent.amount for intent in pages.auto_paging_iter()] == [3000, 2000, 1000]
    since = shop.sdk.v1.payment_intents.list({"customer": customer, "created": {"gte": made[1].created}})
    assert [intent.amount for intent in since.data] == [3000, 2000]


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": 500, "currency": "usd", "metdata": {}, "foo": 1}, "parameter_unknown", "foo"),
        ({"amount": 500, "currency": "usd", "automatic_payment_methods": {"on": True}}, "parameter_unknown",
         "automatic_payment_methods[on]"),
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": "5.00", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 49, "currency": "usd"}, "amount_too_small", "amount"),
        ({"amount": 500, "currency": "usd", "customer": "cus_no"}, "resource_missing", "customer"),
    ],
)  # fmt: skip
def test_what_stripe_would_refuse_is_refused_by_its_name(shop: Shop, params: object, code: str, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.sdk.v1.payment_intents.create(params)  # type: ignore[arg-type]
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)


def test_what_is_not_there_is_said(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as missing:
        shop.sdk.v1.customers.retrieve("cus_no")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        shop.sdk.v1.products.list()


@pytest.mark.parametrize("key", ["sk_live_1", "sk_test_1", "pk_test_sandbox"])
def test_only_keys_of_the_sandbox_are_taken(shop: Shop, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError):
        shop.client(key).v1.customers.retrieve("cus_no")
