"""History, usage and the balance on the page: what is shown, filtered, paged, saved and explained."""

import csv
import io
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.billing.customer import Customer, come_in
from tests.payments.payment_system import PaymentSystem
from tests.support.events import priced_usage
from tests.support.waiting import eventually

METHODS = "customers.payment_methods.list"
TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture(scope="module")
def busy(system: PaymentSystem) -> str:
    """An account with a purchase, an adjustment, 60 calls of two models, and traces."""
    account = system.account()
    system.visit(system.pay(system.buy(account, "stripe", "25")))
    system.http.post(f"/v1/accounts/{account}/adjustments", json={"amount": "-1", "reason_code": "goodwill"})
    calls = [priced_usage(account, model="gpt-4o", api_key_id="key-1") for _ in range(40)]
    calls += [priced_usage(account, model="gpt-4o-mini", api_key_id="key-2") for _ in range(20)]
    answer = system.http.post("/v1/usage", json=calls, headers={"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status_code == 202, answer.text
    system.wait_until_settled()
    return account


@pytest.fixture
def customer(system: PaymentSystem, busy: str) -> Customer:
    return come_in(system, busy)


def lines(page: str) -> int:
    return len(re.findall(r'<tr role="row"><td', page))


def test_pages_show_every_line_once(customer: Customer) -> None:
    first = customer.get("/history").text
    older = re.search(r'href="/billing/history\?([^"]+)" rel="next"', first)
    assert older
    second = customer.get(f"/history?{older[1].replace('&amp;', '&')}").text
    assert (lines(first), lines(second)) == (50, 12)
    shown = [re.findall(r"/billing/history/([0-9a-f-]{36})", page) for page in (first, second)]
    assert len({*shown[0], *shown[1]}) == 62


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=checkout", 1),
        ("type=manual", 1),
        ("model=gpt-4o-mini", 20),
        ("api_key_id=key-1", 40),
        ("model=gpt-4o&api_key_id=key-2", 0),
        (f"from={TODAY}&to={TODAY}&type=checkout", 1),
        ("to=2020-01-01", 0),
        ("view=purchases", 1),
        ("view=purchases&type=Auto+Top-up", 0),
        ("from=nonsense&to=9999-12-31&type=nonsense&model=gpt-4o-mini", 20),
    ],
)
def test_filters_show_what_fits(customer: Customer, query: str, found: int) -> None:
    answer = customer.get(f"/history?{query}")
    assert (answer.status_code, lines(answer.text)) == (200, found)


def test_the_file_has_what_the_filters_find(customer: Customer) -> None:
    answer = customer.get("/history.csv?model=gpt-4o-mini")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert (len(rows), {row["model"] for row in rows}) == (20, {"gpt-4o-mini"})
    assert "attachment" in answer.headers["content-disposition"]


def test_a_cursor_that_no_page_gave_out_is_refused_in_words(customer: Customer) -> None:
    answer = customer.get("/history?cursor=!!")
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")


def test_a_line_opens_its_explanation(customer: Customer) -> None:
    page = customer.get("/history?model=gpt-4o-mini").text
    link = re.search(r'href="/billing(/history/[^"]+)"', page)
    assert link
    explained = customer.get(link[1]).text
    assert "How the amount came about" in explained
    assert "Routing" in explained


def test_times_are_those_of_the_customer(system: PaymentSystem) -> None:
    account = system.account(time_zone="Asia/Kolkata", locale="de-DE")
    system.visit(system.pay(system.buy(account, "stripe", "5")))
    system.wait_until_settled()
    page = come_in(system, account).get("/history").text
    assert "Times are those of Asia/Kolkata." in page
    assert "+5,00\xa0$" in page


def test_usage_is_a_chart_and_a_table_and_a_pace(customer: Customer) -> None:
    page = customer.get("/usage").text
    assert page.count("<rect ") == 2
    assert "openai/gpt-4o-mini" in page
    assert re.search(r"Lasts about [\d,]+ day", page)


def test_the_balance_is_sent_again_only_when_it_is_another(system: PaymentSystem) -> None:
    account = system.account()
    customer = come_in(system, account)
    page = customer.get("").text
    seen = re.search(r'hx-get="/billing(/live[^"]+)"', page)
    assert seen
    path = seen[1].replace("&amp;", "&")
    assert customer.get(path).status_code == 204
    system.http.post(f"/v1/accounts/{account}/adjustments", json={"amount": "3", "reason_code": "goodwill"})
    system.wait_until_settled()
    live = customer.get(path)
    assert "$3.00" in live.text
    assert "running low" in live.text


def test_the_balance_of_a_visit_that_is_over_leads_to_the_page_that_says_so(system: PaymentSystem) -> None:
    answer = Customer(system.url, "x").get("/live", **{"HX-Request": "true"})
    assert answer.headers["hx-redirect"] == "/billing"


def test_an_empty_account_is_told_what_to_do(system: PaymentSystem) -> None:
    page = come_in(system, system.account()).get("").text
    assert "No credits are available" in page
    assert "Nothing has happened yet" in page


def test_purchases_are_shown_while_as_many_as_may_wait_for_a_slow_provider(system: PaymentSystem) -> None:
    account = system.account()
    system.buy(account, "stripe")
    customer = come_in(system, account)
    before = system.sandbox.calls("stripe", METHODS)
    system.sandbox.fault("slow", METHODS, seconds=3)
    with ThreadPoolExecutor(8) as others:
        waiting = [others.submit(customer.get, "/payment-methods") for _ in range(8)]
        eventually(lambda: system.sandbox.calls("stripe", METHODS) == before + 8)
        began = time.monotonic()
        assert customer.get("/history?view=purchases").status_code == 200
        assert time.monotonic() - began < 1.5
        system.sandbox.control.delete("/sandbox/faults", params={"provider": "stripe"})
    assert all(page.result().status_code == 200 for page in waiting)
