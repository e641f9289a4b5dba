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
from tests.payments.payment_system import ASKS, CARD, GOOD, NO_FUNDS, PaymentSystem, payment_system
from tests.support.programs import ledger
from tests.support.servers import api, client, key

PROVIDERS = ("stripe", "razorpay")


@pytest.fixture(scope="module")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    with payment_system(stack, tmp_path_factory.mktemp("system")) as running:
        yield running


def saved_card(system: PaymentSystem, account: str) -> str:
    """A card that the customer added without buying."""
    body = {"provider": "stripe", "return_url": "https://router.example/credits"}
    page = system.http.post(f"/v1/accounts/{account}/payment-methods", json=body).json()["url"]
    back = system.browser.post(page, data=CARD | {"number": GOOD})
    assert back.headers["location"].startswith("https://router.example/credits?session_id=")
    (method,) = system.http.get(f"/v1/accounts/{account}/payment-methods").json()["data"]
    return str(method["payment_method_id"])


def test_credits_cost_their_number_of_dollars_or_rupees_at_the_rate_of_the_day(system: PaymentSystem) -> None:
    account = system.account()
    dollars, rupees = (system.buy(account, provider, "10.5") for provider in PROVIDERS)
    assert (dollars["charged"], dollars["fx_rate"]) == ({"currency": "USD", "amount_minor": 1050, "tax_minor": 0}, "1")
    assert rupees["charged"] == {"currency": "INR", "amount_minor": 89250, "tax_minor": 0}
    assert rupees["fx_rate"] == "85.00"


@pytest.mark.parametrize(
    ("provider", "description"),
    [("stripe", "Credit top-up via Stripe ($10)"), ("razorpay", "Credit top-up via Razorpay (₹850)")],
)
def test_credits_are_there_when_the_customer_comes_back(system: PaymentSystem, provider: str, description: str) -> None:
    account = system.account()
    purchase = system.buy(account, provider, return_url="https://router.example/credits")
    assert purchase["state"] == "pending"
    system.visit(system.pay(purchase))
    system.wait_until_settled()
    page = system.visit(purchase["pay_url"]).text
    assert "10 credits were added; the balance is $10.00" in page
    assert 'href="https://router.example/credits"' in page
    (line,) = system.http.get(f"/v1/accounts/{account}/transactions").json()["data"]
    assert (line["type"], line["description"], line["amount"]) == ("checkout", description, "10")
    assert system.state(account, purchase["purchase_id"]) == "credited"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_whoever_learns_of_a_payment_builds_the_same_bytes(system: PaymentSystem, provider: str) -> None:
    account = system.account()
    purchase = system.buy(account, provider)
    since = datetime.now(UTC) - timedelta(seconds=2)
    system.pay(purchase)
    gateway = system.gateways[provider]
    reference = system.rows("SELECT reference FROM records.checkouts WHERE account_id = %s", account)[0]
    on_return = gateway.payment(reference)
    swept = [one for one in gateway.payments(since) if one.payment_id == on_return.payment_id]
    told = [
        one for one in system.payments_in_webhooks(provider, on_return.payment_id, reference) if one.status == "paid"
    ]
    assert len(swept) == 1
    assert len(told) == {"stripe": 2, "razorpay": 3}[provider]
    incoming = IncomingPayments(system.settings, system.gateways, EventRecorder(system.database, lambda event: None))
    built = set()
    for payment in [on_return, *swept, *told]:
        terms = incoming.terms(provider, payment)
        assert terms is not None
        built.add(json_of(payment_events.purchased(provider, payment, terms)))
    assert len(built) == 1


def test_tax_is_added_and_no_credit_is_lost_to_it(system: PaymentSystem, tmp_path: Path) -> None:
    account = system.account(address={"country": "IN"})
    with api(system.settings, tmp_path, tax_percent={"IN": "18"}) as url, client(url, key(system.settings)) as http:
        answer = http.post(f"/v1/accounts/{account}/purchases", json={"amount": "10", "provider": "razorpay"})
        purchase = answer.json()
        assert purchase["charged"] == {"currency": "INR", "amount_minor": 100300, "tax_minor": 15300}
        assert "₹1,003.00 <small>including ₹153.00 tax</small>" in system.browser.get(purchase["pay_url"]).text
        system.pay(purchase)
    system.wait_until_settled()
    assert system.balance(account) == "10"
    assert system.balanced()


def test_where_tax_is_added_nobody_goes_without_by_keeping_the_country(system: PaymentSystem, tmp_path: Path) -> None:
    account = system.account(address=None)
    with api(system.settings, tmp_path, tax_percent={"IN": "18"}) as url, client(url, key(system.settings)) as http:
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
    system: PaymentSystem, change: dict[str, Any], status: int, code: str, param: str
) -> None:
    account = system.account()
    body = {"amount": "10", "provider": "stripe"} | change
    error = system.http.post(f"/v1/accounts/{account}/purchases", json=body).json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert system.rows("SELECT 1 FROM records.checkouts WHERE account_id = %s", account) == []


def test_stripe_needs_a_country(system: PaymentSystem) -> None:
    answer = system.post(system.account(address=None), "stripe")
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "profile.address.country")


def test_nobody_is_charged_for_an_unknown_account(system: PaymentSystem) -> None:
    assert system.post("nobody", "stripe").json()["error"]["code"] == "account_unknown"


def test_with_payments_off_nothing_is_sold(system: PaymentSystem, tmp_path: Path) -> None:
    account = system.account()
    with api(system.settings, tmp_path, payments="off", stripe_url="https://api.stripe.com",
             razorpay_url="https://api.razorpay.com") as url, client(url, key(system.settings)) as http:  # fmt: skip
        answer = http.post(f"/v1/accounts/{account}/purchases", json={"amount": "10", "provider": "stripe"})
        assert answer.json()["error"]["code"] == "provider_not_configured"
        assert http.post("/webhooks/stripe", content=b"{}").status_code == 422


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_same_request_is_the_same_purchase(system: PaymentSystem, provider: str) -> None:
    account = system.account()
    first, again = (system.buy(account, provider, request=f"{account}-1") for _ in range(2))
    assert first == again
    assert (
        system.post(account, provider, "11", request=f"{account}-1").json()["error"]["code"] == "idempotency_conflict"
    )
    other = system.buy(account, provider, request=f"{account}-2")
    assert other["purchase_id"] != first["purchase_id"]


def test_a_saved_card_pays_at_once(system: PaymentSystem) -> None:
    account = system.account()
    method = saved_card(system, account)
    purchase = system.buy(account, "stripe", payment_method_id=method)
    assert purchase["state"] == "credited"
    assert system.balance(account) == "10"


def test_nobody_pays_with_the_card_of_somebody_else(system: PaymentSystem) -> None:
    method = saved_card(system, system.account())
    answer = system.post(system.account(), "stripe", payment_method_id=method)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "payment_method_unknown")


def test_payment_methods_are_listed_made_default_and_forgotten(system: PaymentSystem) -> None:
    account, stranger = system.account(), system.account()
    method = saved_card(system, account)
    of = f"/v1/accounts/{account}/payment-methods"
    assert system.http.put(f"{of}/{method}/default").json()["default"] is True
    (shown,) = system.http.get(of).json()["data"]
    card = {"provider": "stripe", "kind": "card", "brand": "visa", "last4": "4242", "default": True}
    assert shown.items() >= card.items()
    assert system.http.delete(f"/v1/accounts/{stranger}/payment-methods/{method}").status_code == 404
    assert system.http.delete(f"{of}/{method}").status_code == 204
    assert system.http.get(of).json()["data"] == []


def test_razorpay_saves_no_methods(system: PaymentSystem) -> None:
    body = {"provider": "razorpay", "return_url": "https://router.example/credits"}
    answer = system.http.post(f"/v1/accounts/{system.account()}/payment-methods", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "provider_refuses")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_page_says_what_it_is_for_and_nothing_about_who_pays(system: PaymentSystem, provider: str) -> None:
    account = system.account(name="Ada Lovelace")
    page = system.browser.get(system.buy(account, provider)["pay_url"])
    assert "10 credits" in page.text
    assert {"stripe": "$10.00", "razorpay": "₹850.00"}[provider] in page.text
    assert account not in page.text
    assert "Lovelace" not in page.text
    assert "<script>" not in page.text
    assert "'unsafe-inline'" not in page.headers["Content-Security-Policy"].split("style-src")[0]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "strict-origin")


@pytest.mark.parametrize("path", ["/pay/nobody", "/pay/00000000-0000-0000-0000-000000000000", "/pay/x/return"])
def test_there_is_no_page_for_what_is_no_purchase(system: PaymentSystem, path: str) -> None:
    assert system.browser.get(system.url + path).status_code == 404


def test_the_style_sheet_and_the_script_are_there(system: PaymentSystem) -> None:
    for name in ("ledger.css", "pay.js"):
        assert system.browser.get(f"{system.url}/static/{name}").status_code == 200


def test_the_browser_is_not_believed(system: PaymentSystem) -> None:
    account = system.account()
    paid, pretended = system.buy(account, "stripe"), system.buy(account, "stripe")
    page = system.browser.get(pretended["pay_url"] + "/return?session_id=cs_1&redirect_status=succeeded")
    assert 'http-equiv="refresh"' in page.text
    assert "Waiting for Stripe" in page.text
    system.visit(system.pay(paid))
    system.wait_until_settled()
    assert system.state(account, pretended["purchase_id"]) == "pending"
    assert system.balance(account) == "10"


@pytest.mark.parametrize(
    "change", [{"razorpay_signature": "0" * 64}, {"razorpay_payment_id": "pay_1"}, {"razorpay_signature": "ü"}]
)
def test_what_razorpay_did_not_sign_is_not_taken_for_its_word(system: PaymentSystem, change: dict[str, str]) -> None:
    system.webhooks("razorpay", on=False)
    account = system.account()
    purchase = system.buy(account, "razorpay")
    address, _, fields = system.pay(purchase).partition("\n")
    answer = system.browser.post(address, data=json.loads(fields) | change)
    assert (answer.status_code, system.balance(account)) == (400, "0")
    assert system.visit(f"{address}\n{fields}").status_code == 200
    system.wait_until_settled()
    assert system.balance(account) == "10"
    system.webhooks("razorpay", on=True)


def test_another_purchase_s_signature_is_not_taken(system: PaymentSystem) -> None:
    account = system.account()
    cheap, dear = system.buy(account, "razorpay", "5"), system.buy(account, "razorpay", "5000")
    _, _, fields = system.pay(cheap).partition("\n")
    assert system.browser.post(dear["pay_url"] + "/return", data=json.loads(fields)).status_code == 400
    system.wait_until_settled()
    assert (system.balance(account), system.state(account, dear["purchase_id"])) == ("5", "pending")


def test_a_finished_purchase_is_not_paid_again_by_going_back(system: PaymentSystem) -> None:
    for provider in PROVIDERS:
        account = system.account()
        purchase = system.buy(account, provider)
        system.visit(system.pay(purchase))
        system.wait_until_settled()
        page = system.visit(purchase["pay_url"]).text
        assert "Paid." in page
        assert "<form" not in page
        assert 'class="button"' not in page


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_decline_is_told_in_plain_words_and_can_be_tried_again(system: PaymentSystem, provider: str) -> None:
    account = system.account()
    purchase = system.buy(account, provider)
    back = system.pay(purchase, NO_FUNDS)
    page = system.visit(back).text
    assert {"stripe": "insufficient funds", "razorpay": "Try again with Razorpay"}[provider] in page
    system.visit(system.pay(purchase))
    system.wait_until_settled()
    assert system.balance(account) == "10"


def test_a_saved_card_that_is_declined_ends_the_purchase(system: PaymentSystem) -> None:
    account = system.account()
    saved_card(system, account)
    customer = system.rows("SELECT customer_id FROM records.customers WHERE account_id = %s", account)[0]
    method = system.stripe.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer}).id
    purchase = system.buy(account, "stripe", payment_method_id=method, return_url="https://router.example/credits")
    assert (purchase["state"], purchase["failure"]) == ("failed", "generic_decline")
    page = system.visit(purchase["pay_url"]).text
    assert "The payment was declined. Nothing was charged." in page
    assert '<a href="https://router.example/credits" rel="noreferrer">Try again</a>' in page


def test_an_account_s_key_buys_and_does_not_refund(system: PaymentSystem) -> None:
    account = system.account()
    with client(system.url, key(system.settings, "purchases:write", "billing:read", account=account)) as own:
        answer = own.post(f"/v1/accounts/{account}/purchases", json={"amount": "10", "provider": "stripe"})
        of = f"/v1/accounts/{account}/purchases/{answer.json()['purchase_id']}"
        assert answer.status_code == 201
        assert own.get(of).status_code == 200
        assert own.post(f"{of}/refunds", json={}).json()["error"]["code"] == "scope_missing"
    stranger = system.account()
    assert system.http.get(of.replace(account, stranger)).status_code == 404


@pytest.mark.parametrize(("amount", "code"), [("10.01", "exceeds_purchase"), ("0.000000001", "amount_is_zero")])
def test_no_more_is_given_back_than_is_left(system: PaymentSystem, amount: str, code: str) -> None:
    account = system.account()
    purchase = system.buy(account, "stripe", payment_method_id=saved_card(system, account))
    refunds = f"/v1/accounts/{account}/purchases/{purchase['purchase_id']}/refunds"
    answer = system.http.post(refunds, json={"amount": amount})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert system.balance(account) == "10"


def test_a_refund_under_a_key_is_made_once(system: PaymentSystem) -> None:
    account = system.account()
    purchase = system.buy(account, "stripe", payment_method_id=saved_card(system, account))
    refunds = f"/v1/accounts/{account}/purchases/{purchase['purchase_id']}/refunds"
    answers = [
        system.http.post(refunds, json={"amount": "4"}, headers={"Idempotency-Key": "r1"}).json() for _ in range(3)
    ]
    assert answers == 3 * answers[:1]
    assert answers[0]["charged"] == {"currency": "USD", "amount_minor": 400}
    system.wait_until_settled()
    assert system.balance(account) == "6"


def test_a_payout_is_on_the_log_once_with_its_fees(system: PaymentSystem) -> None:
    account = system.account()
    system.buy(account, "stripe", payment_method_id=saved_card(system, account))
    payout = system.act("stripe", "payouts", currency="usd")
    system.wait_until_settled()
    for payment in system.gateways["stripe"].payouts(datetime.now(UTC) - timedelta(days=2)):
        system.updates.handle("stripe", payment)
    system.wait_until_settled()
    told = [data for data in system.entries("provider:stripe", "payout.received") if data["payout_id"] == payout["id"]]
    assert [(one["currency"], one["amount_minor"]) for one in told] == [("USD", payout["amount"])]
    assert system.balanced()


def test_the_command_prints_the_link_to_pay(system: PaymentSystem) -> None:
    account = system.account()
    said = printed(system, "buy", account, "10", "--provider", "razorpay", "--json")
    assert said["pay_url"] == f"{system.url}/pay/{said['purchase_id']}"
    assert (said["currency"], said["amount_minor"]) == ("INR", 85000)
    system.visit(system.pay({**said, "provider": "razorpay"}))
    system.wait_until_settled()
    assert system.balance(account) == "10"


def printed(system: PaymentSystem, *words: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    done = ledger(system.settings, *words)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_bank_that_asks_is_answered_where_our_page_leads(system: PaymentSystem) -> None:
    account = system.account()
    purchase = system.buy(account, "stripe")
    at_the_bank = system.pay(purchase, ASKS)
    back = system.browser.post(at_the_bank, data={"answer": "complete"}).headers["location"]
    system.visit(back)
    system.wait_until_settled()
    assert system.balance(account) == "10"


def test_no_event_was_refused_and_the_books_balance(system: PaymentSystem) -> None:
    assert system.rows("SELECT code || ' ' || reason FROM views.dead_letters") == []
    assert system.balanced()
