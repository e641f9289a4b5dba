"""Adding credits: what is typed is checked in words, the price is shown, and what was confirmed is bought once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.billing.customer import Customer, come_in, errors, hidden, path_of
from tests.payments.payment_system import GOOD, PaymentSystem
from tests.support.servers import api

ADDRESS = {"name": "Ada Lovelace Ltd", "line1": "Unter den Linden 1", "city": "Berlin", "country": "DE"}
FORM = {"amount": "10", "pay": "stripe:", **ADDRESS}
BEGUN = "SELECT amount_minor FROM records.checkouts WHERE account_id = %s ORDER BY created_at"


def confirmed(customer: Customer, **fields: str) -> dict[str, str]:
    """The form of the page to confirm on."""
    page = customer.get(path_of(customer.send("/add", **FORM | fields)))
    assert page.status_code == 200, page.text
    return {name: text for name, text in hidden(page.text).items()}


def test_a_saved_card_pays_at_once_and_the_page_shows_the_new_balance(system: PaymentSystem) -> None:
    account = system.account()
    system.visit(system.pay(system.buy(account, "stripe", "5")))
    system.wait_until_settled()
    customer = come_in(system, account)
    [card] = system.http.get(f"/v1/accounts/{account}/payment-methods").json()["data"]
    form = confirmed(customer, amount="25", pay=f"stripe:{card['payment_method_id']}")
    where = path_of(customer.post("/purchases", form))
    system.wait_until_settled()
    page = customer.get(where)
    assert "Credits added" in page.text
    assert "$30.00" in page.text
    assert system.balance(account) == "30"


def test_sent_twice_at_once_and_again_it_is_bought_once(system: PaymentSystem) -> None:
    account = system.account()
    system.visit(system.pay(system.buy(account, "stripe", "5")))
    system.wait_until_settled()
    customer = come_in(system, account)
    [card] = system.http.get(f"/v1/accounts/{account}/payment-methods").json()["data"]
    form = confirmed(customer, pay=f"stripe:{card['payment_method_id']}")
    with ThreadPoolExecutor(4) as clicks:
        answers = list(clicks.map(lambda _: customer.post("/purchases", form), range(4)))
    assert len({path_of(answer) for answer in answers}) == 1
    system.wait_until_settled()
    assert system.balance(account) == "15"
    # The browser's back button leads to the page to confirm on, whose address names the purchase.
    back = customer.get(f"/add/confirm?request={form['request']}&amount=10&pay={form['pay']}")
    assert path_of(back) == path_of(answers[0]).removesuffix("?go=1")
    customer.post("/purchases", form)
    system.wait_until_settled()
    assert system.balance(account) == "15"


def test_a_new_card_is_typed_at_stripe_and_leads_back_to_the_page(system: PaymentSystem) -> None:
    account = system.account()
    customer = come_in(system, account)
    where = path_of(customer.post("/purchases", confirmed(customer)))
    assert 'http-equiv="refresh"' in customer.get(where).text
    purchase_id = where.removeprefix("/purchases/").partition("?")[0]
    [row] = [system.http.get(f"/v1/accounts/{account}/purchases/{purchase_id}").json()]
    back = httpx.get(system.pay(row, GOOD))
    assert back.headers["location"] == f"/billing/purchases/{purchase_id}"
    system.wait_until_settled()
    assert "Credits added" in customer.get(f"/purchases/{purchase_id}").text


def test_razorpay_is_priced_in_rupees_with_the_rate(system: PaymentSystem) -> None:
    customer = come_in(system, system.account())
    page = customer.get(path_of(customer.send("/add", **FORM | {"pay": "razorpay:"}))).text
    assert "₹850.00" in page
    assert "₹85.00 for one credit" in page
    part = customer.get("/add/price?amount=25&pay=razorpay:&country=IN").text
    assert "₹2,125.00" in part


def test_a_declined_card_says_so_and_nothing_is_charged(system: PaymentSystem) -> None:
    account = system.account()
    system.visit(system.pay(system.buy(account, "stripe", "5")))
    system.wait_until_settled()
    customer = come_in(system, account)
    [card] = system.http.get(f"/v1/accounts/{account}/payment-methods").json()["data"]
    method = card["payment_method_id"]
    changed = system.sandbox.control.put(
        f"/sandbox/stripe/payment_methods/{method}", json={"number": "4000000000009995"}
    )
    assert changed.is_success, changed.text
    page = customer.get(path_of(customer.post("/purchases", confirmed(customer, pay=f"stripe:{method}")))).text
    assert "Nothing was charged" in page
    assert "There is not enough money on the card." in page
    assert 'href="/billing/add?amount=10"' in page


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"amount": "custom", "custom": "4.99"}, "custom", "The smallest purchase is $5.00."),
        ({"amount": "custom", "custom": "10001"}, "custom", "The largest purchase is $10,000.00."),
        ({"amount": "custom", "custom": "ten"}, "custom", "Type an amount, such as 40."),
        ({"amount": "custom", "custom": "1e3"}, "custom", "Type an amount, such as 40."),
        ({"amount": "custom", "custom": "-10"}, "custom", "Type an amount, such as 40."),
        ({"amount": "custom", "custom": "10.001"}, "custom", "Type whole cents."),
        ({"amount": ""}, "amount", "Choose or type an amount."),
        ({"pay": "stripe:pm_of_another"}, "pay", "Choose how you would like to pay."),
        ({"country": ""}, "country", "Choose the country of your billing address."),
        ({"country": "XX"}, "country", "Choose a country from the list."),
        ({"email": "ada"}, "email", "This does not look like an e-mail address."),
        ({"tax_country": "DE", "tax_value": "DE1"}, "tax_type", "Choose the type of the tax ID."),
        (
            {"tax_country": "DE", "tax_type": "DE:eu_vat", "tax_value": "DE136695977"},
            "tax_value",
            "This number can't be right; a character may be mistyped.",
        ),
        (
            {"tax_country": "DE", "tax_type": "DE:eu_vat", "tax_value": "x"},
            "tax_value",
            "This is not written as such a number is, for example DE136695976.",
        ),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    system: PaymentSystem, changed: dict[str, str], field: str, said: str
) -> None:
    answer = come_in(system, system.account()).send("/add", **FORM | changed)
    assert (answer.status_code, errors(answer.text)) == (422, {field: said})
    assert f'aria-describedby="{field}-error' in answer.text


def test_a_custom_amount_is_read_in_the_customers_notation(system: PaymentSystem) -> None:
    customer = come_in(system, system.account(locale="de-DE"))
    answer = customer.send("/add", **FORM | {"amount": "custom", "custom": "1.012,50"})
    assert "amount=1012.50" in path_of(answer)
    assert "1.012,50\xa0$" in customer.get(path_of(answer)).text


def test_name_address_and_tax_id_are_kept(system: PaymentSystem) -> None:
    account = system.account()
    tax: dict[str, Any] = {"tax_country": "DE", "tax_type": "DE:eu_vat", "tax_value": "de 136 695 976"}
    page = come_in(system, account).send("/add", **FORM | tax)
    assert page.status_code == 303
    profile = system.http.get(f"/v1/accounts/{account}/profile").json()
    assert (profile["name"], profile["address"]["line1"]) == ("Ada Lovelace Ltd", "Unter den Linden 1")
    assert [each["value"] for each in system.http.get(f"/v1/accounts/{account}/tax-ids").json()["data"]] == [
        "DE136695976"
    ]


def test_the_tax_of_the_customers_country_is_added_and_named(system: PaymentSystem, tmp_path: Path) -> None:
    account = system.account(address={"country": "IN"})
    with api(system.settings, tmp_path, tax_percent={"IN": "18"}) as url:
        customer = come_in(system, account, at=url)
        price = customer.get("/add/price?amount=10&pay=razorpay:&country=IN").text
        assert "₹850.00" in price
        assert "Tax (18%)" in price
        assert "₹153.00" in price
        assert "₹1,003.00" in price
        _pays_what_was_confirmed(system, url)


def _pays_what_was_confirmed(system: PaymentSystem, url: str) -> None:
    """The country is changed in another tab, and with it the price."""
    account = system.account()
    system.visit(system.pay(system.buy(account, "stripe", "5")))
    system.wait_until_settled()
    customer = come_in(system, account, at=url)
    [card] = system.http.get(f"/v1/accounts/{account}/payment-methods").json()["data"]
    form = confirmed(customer, pay=f"stripe:{card['payment_method_id']}")
    customer.send("/add", **FORM | {"country": "IN"})
    again = path_of(customer.post("/purchases", form))
    assert again.startswith(f"/add/confirm?request={form['request']}&")
    assert (system.balance(account), system.rows(BEGUN, account)) == ("5", [500])
    page = customer.get(again).text
    assert "The price has changed" in page
    assert "Pay $11.80" in page
    bought = path_of(customer.post("/purchases", hidden(page)))
    # Begun, it is the same purchase, whatever the form that is sent once more was to cost.
    assert path_of(customer.post("/purchases", form)) == bought
    assert system.rows(BEGUN, account) == [500, 1180]
