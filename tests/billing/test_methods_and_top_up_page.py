"""Payment methods and auto top-up on the page: what is saved, what is refused, and why."""

import re

import pytest

from tests.billing.customer import Customer, come_in, errors, path_of
from tests.payments.payment_system import PaymentSystem

POLICY = {"enabled": "on", "threshold": "50", "amount": "200", "sizing": "fixed", "cap_day": "", "cap_month": ""}


@pytest.fixture
def account(system: PaymentSystem) -> str:
    """One with a card."""
    account = system.account()
    system.visit(system.pay(system.buy(account, "stripe", "60")))
    system.wait_until_settled()
    return account


@pytest.fixture
def customer(system: PaymentSystem, account: str) -> Customer:
    return come_in(system, account)


def card_of(system: PaymentSystem, account: str) -> str:
    [card] = system.http.get(f"/v1/accounts/{account}/payment-methods").json()["data"]
    method: str = card["payment_method_id"]
    return method


def test_a_card_shows_its_brand_end_and_date_and_can_be_removed(
    system: PaymentSystem, account: str, customer: Customer
) -> None:
    page = customer.get("/payment-methods").text
    assert "Visa ending in 4242" in page
    assert "Expires 12/2034" in page
    assert path_of(customer.send("/payment-methods/default", method=card_of(system, account))) == "/payment-methods"
    assert "Default" in customer.get("/payment-methods").text
    customer.send("/payment-methods/remove", method=card_of(system, account))
    assert "No payment method is saved yet" in customer.get("/payment-methods").text


def test_adding_a_card_leads_to_the_provider_and_back(customer: Customer) -> None:
    page = customer.send("/payment-methods/add", provider="stripe").text
    assert re.search(r'http-equiv="refresh" content="0;url=http://[^"]+/stripe/pay/cs_', page)


def test_what_auto_top_up_charges_is_not_removed(system: PaymentSystem, account: str, customer: Customer) -> None:
    method = card_of(system, account)
    saved = customer.send("/auto-top-up", **POLICY, method=f"stripe:{method}")
    assert path_of(saved) == "/auto-top-up?saved=true"
    refused = customer.send("/payment-methods/remove", method=method)
    assert refused.status_code == 422
    assert "Auto top-up charges this payment method" in refused.text
    api = system.http.delete(f"/v1/accounts/{account}/payment-methods/{method}")
    assert (api.status_code, api.json()["error"]["code"]) == (409, "method_in_use")
    assert customer.send("/auto-top-up", **{**POLICY, "enabled": ""}, method=f"stripe:{method}").status_code == 303
    assert path_of(customer.send("/payment-methods/remove", method=method)) == "/payment-methods"


def test_a_policy_without_a_method_shows_the_one_that_it_charges(
    system: PaymentSystem, account: str, customer: Customer
) -> None:
    body = {"enabled": True, "threshold": "10", "amount": "25", "sizing": "fixed", "provider": "stripe"}
    answer = system.http.put(f"/v1/accounts/{account}/auto-top-up", json=body)
    assert answer.status_code == 200, answer.text
    ticked = re.findall(r'name="method" value="([^"]+)" checked', customer.get("/auto-top-up").text)
    assert ticked == [f"stripe:{card_of(system, account)}"]


def test_a_policy_is_what_was_typed(system: PaymentSystem, account: str, customer: Customer) -> None:
    form = {**POLICY, "sizing": "target", "cap_day": "$1,000", "method": f"stripe:{card_of(system, account)}"}
    assert customer.send("/auto-top-up", **form).status_code == 303
    policy = system.http.get(f"/v1/accounts/{account}/auto-top-up").json()
    wanted = {
        "enabled": True,
        "threshold": "50",
        "amount": "200",
        "sizing": "target",
        "cap_day": "1000",
        "cap_month": None,
    }
    assert {name: policy[name] for name in wanted} == wanted
    assert "On: it watches your balance." in customer.get("/auto-top-up").text


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"threshold": "much"}, "threshold", "Type the balance below which credits are added, such as 50."),
        ({"amount": ""}, "amount", "Type how many credits are added, such as 50."),
        ({"cap_day": "x"}, "cap_day", "Type a limit, or leave it empty, such as 50."),
        ({"threshold": "500"}, "amount", "This does not lift the balance to the threshold. Add more, or lower it."),
        ({"cap_day": "10"}, "cap_day", "One top-up would already be more than the limit."),
        ({"method": "stripe:pm_of_another"}, "method", "Choose a payment method; add one first if there is none."),
    ],
)
def test_what_is_wrong_with_a_policy_stands_at_its_field(
    system: PaymentSystem, account: str, customer: Customer, changed: dict[str, str], field: str, said: str
) -> None:
    form = {**POLICY, "method": f"stripe:{card_of(system, account)}"} | changed
    answer = customer.send("/auto-top-up", **form)
    assert (answer.status_code, errors(answer.text)) == (422, {field: said})


def test_without_a_payment_method_it_can_not_be_switched_on(system: PaymentSystem) -> None:
    answer = come_in(system, system.account()).send("/auto-top-up", **POLICY)
    assert errors(answer.text) == {"method": "Choose a payment method; add one first if there is none."}


def test_details_are_saved_and_tax_ids_removed(system: PaymentSystem) -> None:
    account = system.account()
    system.http.post(
        f"/v1/accounts/{account}/tax-ids", json={"country": "DE", "type": "eu_vat", "value": "DE136695976"}
    )
    customer = come_in(system, account)
    saved = customer.send("/details", name="Ada Ltd", country="FR", time_zone="Europe/Paris", locale="fr-FR")
    assert saved.status_code == 303
    profile = system.http.get(f"/v1/accounts/{account}/profile").json()
    assert (profile["name"], profile["time_zone"], profile["address"]["country"]) == ("Ada Ltd", "Europe/Paris", "FR")
    wrong = customer.send("/details", time_zone="Mars/Base", country="FR")
    assert errors(wrong.text) == {"time_zone": "Choose a time zone from the list."}
    page = customer.get("/details").text
    tax_id = re.search(r'name="tax_id" value="([^"]+)"', page)
    assert tax_id
    customer.send("/details/tax-ids/remove", tax_id=tax_id[1])
    assert system.http.get(f"/v1/accounts/{account}/tax-ids").json()["data"] == []


def test_a_time_zone_that_is_not_to_choose_from_stays(system: PaymentSystem) -> None:
    customer = come_in(system, system.account(time_zone="Etc/GMT+3"))
    assert "<option selected>Etc/GMT+3</option>" in customer.get("/details").text
