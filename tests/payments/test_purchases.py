"""Purchases over HTTP, as routers and customers meet them: prices, saved cards, the page to pay on, refusals."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.dev.stack import Stack
from ledger.payments import payment_events
from ledger.payments.event_recorder import EventRecorder
from ledger.payments.incoming_payments import IncomingPayments
from schemas.fields import json_of
from tests.payments.market import ASKS, CARD, GOOD, NO_FUNDS, Market, market
from tests.support.programs import ledger
from tests.support.servers import api, client, key

PROVIDERS = ("stripe", "razorpay")


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market(stack, tmp_path_factory.mktemp("market")) as running:
        yield running


def saved_card(shop: Market, account: str) -> str:
    """A card that the customer added without buying."""
    body = {"provider": "stripe", "return_url": "https://router.example/credits"}
    page = shop.http.post(f"/v1/accounts/{account}/payment-methods", json=body).json()["url"]
    back = shop.browser.post(page, data=CARD | {"number": GOOD})
    assert back.headers["location"].startswith("https://router.example/credits?session_id=")
    (method,) = shop.http.get(f"/v1/accounts/{account}/payment-methods").json()["data"]
    return str(method["payment_method_id"])


def test_credits_cost_their_number_of_dollars_or_rupees_at_the_rate_of_the_day(shop: Market) -> None:
    account = shop.account()
    dollars, rupees = (shop.buy(account, provider, "10.5") for provider in PROVIDERS)
    assert (dollars["charged"], dollars["fx_rate"]) == ({"currency": "USD", "amount_minor": 1050, "tax_minor": 0}, "1")
    assert rupees["charged"] == {"currency": "INR", "amount_minor": 89250, "tax_minor": 0}
    assert rupees["fx_rate"] == "85.00"


@pytest.mark.parametrize(
    ("provider", "description"),
    [("stripe", "Credit top-up via Stripe ($10)"), ("razorpay", "Credit top-up via Razorpay (₹850)")],
)
def test_credits_are_there_when_the_customer_comes_back(shop: Market, provider: str, description: str) -> None:
    account = shop.account()
    purchase = shop.buy(account, provider, return_url="https://router.example/credits")
    assert purchase["state"] == "pending"
    shop.visit(shop.pay(purchase))
    shop.settled()
    page = shop.visit(purchase["pay_url"]).text
    assert "10 credits were added; the balance is $10.00" in page
    assert 'href="https://router.example/credits"' in page
    (line,) = shop.http.get(f"/v1/accounts/{account}/transactions").json()["data"]
    assert (line["type"], line["description"], line["amount"]) == ("checkout", description, "10")
    assert shop.state(account, purchase["purchase_id"]) == "credited"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_whoever_learns_of_a_payment_builds_the_same_bytes(shop: Market, provider: str) -> None:
    account = shop.account()
    purchase = shop.buy(account, provider)
    since = datetime.now(UTC) - timedelta(seconds=2)
    shop.pay(purchase)
    gateway = shop.gateways[provider]
    reference = shop.rows("SELECT reference FROM records.checkouts WHERE account_id = %s", account)[0]
    on_return = gateway.payment(reference)
    swept = [one for one in gateway.payments(since) if one.payment_id == on_return.payment_id]
    told = [one for one in shop.heard(provider, on_return.payment_id, reference) if one.status == "paid"]
    assert len(swept) == 1
    assert len(told) == {"stripe": 2, "razorpay": 3}[provider]
    incoming = IncomingPayments(shop.settings, shop.gateways, EventRecorder(shop.database, lambda event: None))
    built = set()
    for payment in [on_return, *swept, *told]:
        terms = incoming.terms(provider, payment)
        assert terms is not None
        built.add(json_of(payment_events.purchased(provider, payment, terms)))
    assert len(built) == 1


def test_tax_is_added_and_no_credit_is_lost_to_it(shop: Market, tmp_path: Path) -> None:
    account = shop.account(address={"country": "IN"})
    with api(shop.settings, tmp_path, tax_percent={"IN": "18"}) as url, client(url, key(shop.settings)) as http:
        answer = http.post(f"/v1/accounts/{account}/purchases", json={"amount": "10", "provider": "razorpay"})
        purchase = answer.json()
        assert purchase["charged"] == {"currency": "INR", "amount_minor": 100300, "tax_minor": 15300}
        assert "₹1,003.00 <small>including ₹153.00 tax</small>" in shop.browser.get(purchase["pay_url"]).text
        shop.pay(purchase)
    shop.settled()
    assert shop.balance(account) == "10"
    assert shop.balanced()


def test_where_tax_is_added_nobody_goes_without_by_keeping_the_country(shop: Market, tmp_path: Path) -> None:
    account = shop.account(address=None)
    with api(shop.settings, tmp_path, tax_percent={"IN": "18"}) as url, client(url, key(shop.settings)) as http:
        answer = http.post(f"/v1/accounts/{account}/purchases", json={"amount": "10", "provider": "razorpay"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "profile.address.country")


REFUSED = [
    ({"amount": "4.99"}, 422, "purchase_too_small", "amount"),
    ({"amount": "10001"}, 422, "purchase_too_large", "amount"),
    ({"amount": "-5"}, 422, "invalid", "amount"),
    ({"amount": 10}, 422, "invalid", "amount"),
    ({"amount": "1e3"}, 422, "invalid", "amount"),
    ({"provider": "paypal"}, 422, "provider_not_configured", "provider"),
    ({"payment_method_id": "pm_of_nobody"}, 404, "payment_method_unknown", "payment_method_id"),
    ({"return_url": "javascript:alert(1)"}, 422, "invalid", "return_url"),
    ({"return_url": "https://router.example/ü"}, 422, "invalid", "return_url"),
    ({"credits": "10"}, 422, "invalid", "credits"),
]


@pytest.mark.parametrize(("change", "status", "code", "param"), REFUSED, ids=[str(case[0]) for case in REFUSED])
def test_what_can_not_be_sold_is_refused_by_name(
    shop: Market, change: dict[str, Any], status: int, code: str, param: str
) -> None:
    account = shop.account()
    body = {"amount": "10", "provider": "stripe"} | change
    error = shop.http.post(f"/v1/accounts/{account}/purchases", json=body).json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert shop.rows("SELECT 1 FROM records.checkouts WHERE account_id = %s", account) == []


def test_stripe_needs_a_country(shop: Market) -> None:
    answer = shop.post(shop.account(address=None), "stripe")
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "profile.address.country")


def test_nobody_is_charged_for_an_unknown_account(shop: Market) -> None:
    assert shop.post("nobody", "stripe").json()["error"]["code"] == "account_unknown"


def test_with_payments_off_nothing_is_sold(shop: Market, tmp_path: Path) -> None:
    account = shop.account()
    with api(shop.settings, tmp_path, payments="off", stripe_url="https://api.stripe.com",
             razorpay_url="https://api.razorpay.com") as url, client(url, key(shop.settings)) as http:  # fmt: skip
        answer = http.post(f"/v1/accounts/{account}/purchases", json={"amount": "10", "provider": "stripe"})
        assert answer.json()["error"]["code"] == "provider_not_configured"
        assert http.post("/webhooks/stripe", content=b"{}").status_code == 422


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_same_request_is_the_same_purchase(shop: Market, provider: str) -> None:
    account = shop.account()
    first, again = (shop.buy(account, provider, request=f"{account}-1") for _ in range(2))
    assert first == again
    assert shop.post(account, provider, "11", request=f"{account}-1").json()["error"]["code"] == "idempotency_conflict"
    other = shop.buy(account, provider, request=f"{account}-2")
    assert other["purchase_id"] != first["purchase_id"]


def test_a_saved_card_pays_at_once(shop: Market) -> None:
    account = shop.account()
    method = saved_card(shop, account)
    purchase = shop.buy(account, "stripe", payment_method_id=method)
    assert purchase["state"] == "credited"
    assert shop.balance(account) == "10"


def test_nobody_pays_with_the_card_of_somebody_else(shop: Market) -> None:
    method = saved_card(shop, shop.account())
    answer = shop.post(shop.account(), "stripe", payment_method_id=method)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "payment_method_unknown")


def test_payment_methods_are_listed_made_default_and_forgotten(shop: Market) -> None:
    account, stranger = shop.account(), shop.account()
    method = saved_card(shop, account)
    of = f"/v1/accounts/{account}/payment-methods"
    assert shop.http.put(f"{of}/{method}/default").json()["default"] is True
    (shown,) = shop.http.get(of).json()["data"]
    card = {"provider": "stripe", "kind": "card", "brand": "visa", "last4": "4242", "default": True}
    assert shown.items() >= card.items()
    assert shop.http.delete(f"/v1/accounts/{stranger}/payment-methods/{method}").status_code == 404
    assert shop.http.delete(f"{of}/{method}").status_code == 204
    assert shop.http.get(of).json()["data"] == []


def test_razorpay_saves_no_methods(shop: Market) -> None:
    body = {"provider": "razorpay", "return_url": "https://router.example/credits"}
    answer = shop.http.post(f"/v1/accounts/{shop.account()}/payment-methods", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "provider_refuses")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_page_says_what_it_is_for_and_nothing_about_who_pays(shop: Market, provider: str) -> None:
    account = shop.account(name="Ada Lovelace")
    page = shop.browser.get(shop.buy(account, provider)["pay_url"])
    assert "10 credits" in page.text
    assert {"stripe": "$10.00", "razorpay": "₹850.00"}[provider] in page.text
    assert account not in page.text
    assert "Lovelace" not in page.text
    assert "<script>" not in page.text
    assert "'unsafe-inline'" not in page.headers["Content-Security-Policy"].split("style-src")[0]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "strict-origin")


@pytest.mark.parametrize("path", ["/pay/nobody", "/pay/00000000-0000-0000-0000-000000000000", "/pay/x/return"])
def test_there_is_no_page_for_what_is_no_purchase(shop: Market, path: str) -> None:
    assert shop.browser.get(shop.url + path).status_code == 404


def test_the_style_sheet_and_the_script_are_there(shop: Market) -> None:
    for name in ("ledger.css", "pay.js"):
        assert shop.browser.get(f"{shop.url}/static/{name}").status_code == 200


def test_the_browser_is_not_believed(shop: Market) -> None:
    account = shop.account()
    paid, pretended = shop.buy(account, "stripe"), shop.buy(account, "stripe")
    page = shop.browser.get(pretended["pay_url"] + "/return?session_id=cs_1&redirect_status=succeeded")
    assert 'http-equiv="refresh"' in page.text
    assert "Waiting for Stripe" in page.text
    shop.visit(shop.pay(paid))
    shop.settled()
    assert shop.state(account, pretended["purchase_id"]) == "pending"
    assert shop.balance(account) == "10"


@pytest.mark.parametrize(
    "change", [{"razorpay_signature": "0" * 64}, {"razorpay_payment_id": "pay_1"}, {"razorpay_signature": "ü"}]
)
def test_what_razorpay_did_not_sign_is_not_taken_for_its_word(shop: Market, change: dict[str, str]) -> None:
    shop.webhooks("razorpay", on=False)
    account = shop.account()
    purchase = shop.buy(account, "razorpay")
    address, _, fields = shop.pay(purchase).partition("\n")
    answer = shop.browser.post(address, data=json.loads(fields) | change)
    assert (answer.status_code, shop.balance(account)) == (400, "0")
    assert shop.visit(f"{address}\n{fields}").status_code == 200
    shop.settled()
    assert shop.balance(account) == "10"
    shop.webhooks("razorpay", on=True)


def test_another_purchase_s_signature_is_not_taken(shop: Market) -> None:
    account = shop.account()
    cheap, dear = shop.buy(account, "razorpay", "5"), shop.buy(account, "razorpay", "5000")
    _, _, fields = shop.pay(cheap).partition("\n")
    assert shop.browser.post(dear["pay_url"] + "/return", data=json.loads(fields)).status_code == 400
    shop.settled()
    assert (shop.balance(account), shop.state(account, dear["purchase_id"])) == ("5", "pending")


def test_a_finished_purchase_is_not_paid_again_by_going_back(shop: Market) -> None:
    for provider in PROVIDERS:
        account = shop.account()
        purchase = shop.buy(account, provider)
        shop.visit(shop.pay(purchase))
        shop.settled()
        page = shop.visit(purchase["pay_url"]).text
        assert "Paid." in page
        assert "<form" not in page
        assert 'class="button"' not in page


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_decline_is_told_in_plain_words_and_can_be_tried_again(shop: Market, provider: str) -> None:
    account = shop.account()
    purchase = shop.buy(account, provider)
    back = shop.pay(purchase, NO_FUNDS)
    page = shop.visit(back).text
    assert {"stripe": "insufficient funds", "razorpay": "Try again with Razorpay"}[provider] in page
    shop.visit(shop.pay(purchase))
    shop.settled()
    assert shop.balance(account) == "10"


def test_a_saved_card_that_is_declined_ends_the_purchase(shop: Market) -> None:
    account = shop.account()
    saved_card(shop, account)
    customer = shop.rows("SELECT customer_id FROM records.customers WHERE account_id = %s", account)[0]
    method = shop.stripe.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer}).id
    purchase = shop.buy(account, "stripe", payment_method_id=method, return_url="https://router.example/credits")
    assert (purchase["state"], purchase["failure"]) == ("failed", "generic_decline")
    page = shop.visit(purchase["pay_url"]).text
    assert "The payment was declined. Nothing was charged." in page
    assert '<a href="https://router.example/credits" rel="noreferrer">Try again</a>' in page


def test_an_account_s_key_buys_and_does_not_refund(shop: Market) -> None:
    account = shop.account()
    with client(shop.url, key(shop.settings, "purchases:write", "billing:read", account=account)) as own:
        answer = own.post(f"/v1/accounts/{account}/purchases", json={"amount": "10", "provider": "stripe"})
        of = f"/v1/accounts/{account}/purchases/{answer.json()['purchase_id']}"
        assert answer.status_code == 201
        assert own.get(of).status_code == 200
        assert own.post(f"{of}/refunds", json={}).json()["error"]["code"] == "scope_missing"
    stranger = shop.account()
    assert shop.http.get(of.replace(account, stranger)).status_code == 404


@pytest.mark.parametrize(("amount", "code"), [("10.01", "exceeds_purchase"), ("0.000000001", "amount_is_zero")])
def test_no_more_is_given_back_than_is_left(shop: Market, amount: str, code: str) -> None:
    account = shop.account()
    purchase = shop.buy(account, "stripe", payment_method_id=saved_card(shop, account))
    refunds = f"/v1/accounts/{account}/purchases/{purchase['purchase_id']}/refunds"
    answer = shop.http.post(refunds, json={"amount": amount})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert shop.balance(account) == "10"


def test_a_refund_under_a_key_is_made_once(shop: Market) -> None:
    account = shop.account()
    purchase = shop.buy(account, "stripe", payment_method_id=saved_card(shop, account))
    refunds = f"/v1/accounts/{account}/purchases/{purchase['purchase_id']}/refunds"
    answers = [
        shop.http.post(refunds, json={"amount": "4"}, headers={"Idempotency-Key": "r1"}).json() for _ in range(3)
    ]
    assert answers == 3 * answers[:1]
    assert answers[0]["charged"] == {"currency": "USD", "amount_minor": 400}
    shop.settled()
    assert shop.balance(account) == "6"


def test_a_payout_is_on_the_log_once_with_its_fees(shop: Market) -> None:
    account = shop.account()
    shop.buy(account, "stripe", payment_method_id=saved_card(shop, account))
    payout = shop.act("stripe", "payouts", currency="usd")
    shop.settled()
    for payment in shop.gateways["stripe"].payouts(datetime.now(UTC) - timedelta(days=2)):
        shop.updates.handle("stripe", payment)
    shop.settled()
    told = [data for data in shop.entries("provider:stripe", "payout.received") if data["payout_id"] == payout["id"]]
    assert [(one["currency"], one["amount_minor"]) for one in told] == [("USD", payout["amount"])]
    assert shop.balanced()


def test_the_command_prints_the_link_to_pay(shop: Market) -> None:
    account = shop.account()
    said = printed(shop, "buy", account, "10", "--provider", "razorpay", "--json")
    assert said["pay_url"] == f"{shop.url}/pay/{said['purchase_id']}"
    assert (said["currency"], said["amount_minor"]) == ("INR", 85000)
    shop.visit(shop.pay({**said, "provider": "razorpay"}))
    shop.settled()
    assert shop.balance(account) == "10"


def printed(shop: Market, *words: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    done = ledger(shop.settings, *words)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_bank_that_asks_is_answered_where_our_page_leads(shop: Market) -> None:
    account = shop.account()
    purchase = shop.buy(account, "stripe")
    at_the_bank = shop.pay(purchase, ASKS)
    back = shop.browser.post(at_the_bank, data={"answer": "complete"}).headers["location"]
    shop.visit(back)
    shop.settled()
    assert shop.balance(account) == "10"


def test_no_event_was_refused_and_the_books_balance(shop: Market) -> None:
    assert shop.rows("SELECT code || ' ' || reason FROM views.dead_letters") == []
    assert shop.balanced()
