"""Prices and charges on the page, in a browser: thresholds, variants, tools, own keys, a cost beside its estimate."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from ledger.dev.stack import Stack
from tests.billing.customer import portal
from tests.e2e.conftest import CHROMIUM, Window
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.support.books import many_sided_book, publish_in_force
from tests.support.events import priced_usage
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="the billing page was not tried in a browser; on Debian: apt-get install chromium"
)
GEMINI: dict[str, Any] = {"provider": "google", "model": "gemini-2.5-pro", "input_tokens": 250_000}
CALLS: dict[str, dict[str, Any]] = {
    "long": GEMINI | {"units": {"cache_read_tokens": 50_000, "web_searches": 2}, "extra_cost": "0.002"},
    "batch": {**GEMINI, "input_tokens": 1_000, "attributes": {"service_tier": "batch"}},
    "spoken": {"model": "whisper", "input_tokens": 0, "output_tokens": 0, "units": {"audio_seconds": "93.5"}},
    "own-key": GEMINI | {"own_key": True},
    "brought": GEMINI | {"provider_cost": "0.5"},
    "odd": {"model": "gpt-99", "provider_cost": "0.5", "units": {"cache_read_tokens": 1_001}},
    "free": {"provider": "meta", "model": "llama:free"},
}


@pytest.fixture(scope="module")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    """A ledger whose book has prices of every kind."""
    with payment_system(stack, tmp_path_factory.mktemp("system"), brand_name="Nova Router") as running:
        publish_in_force(running.settings, many_sided_book(running.settings))
        eventually(lambda: running.http.get("/v1/prices").json()["book_version"] == 2)
        eventually(lambda: running.http.get("/readyz").status_code == 200)
        yield running


@pytest.fixture(scope="module")
def account(system: PaymentSystem) -> str:
    """An account with a call of each kind."""
    account = system.account()
    used = [priced_usage(account, request_id=name, **call) for name, call in CALLS.items()]
    for event in used:
        assert system.http.post("/v1/usage", json=event).status_code == 202
    system.wait_until_settled()
    return account


def test_each_kind_of_charge_is_explained_in_plain_words(system: PaymentSystem, account: str, window: Window) -> None:
    page = window.page
    page.goto(portal(system, account))
    page.goto(f"{system.url}/billing/history")
    expect(page.get_by_role("link", name=re.compile("your own key"))).to_have_count(1)
    lines = system.http.get(f"/v1/accounts/{account}/transactions").json()["data"]
    for name, said in {
        "long": ["Cache read 50,000 at $0.25 per million, above 200,000 input tokens", "Web searches 2", "Extra cost"],
        "batch": ["(service_tier=batch)", "Served as"],
        "spoken": ["Seconds of audio 93.5 at $0.36 per hour"],
        "own-key": ["paid by you with your own key", "Fee 5% of the cost"],
        "brought": ["As the provider charged it", "By the price list", "The provider charged less"],
        "odd": ["The book has no price: openai/gpt-99"],
        "free": ["Charge"],
    }.items():
        (line,) = [line for line in lines if line["request_id"] == name]
        page.goto(f"{system.url}/billing/history/{line['event_id']}")
        window.check(f"explained-{name}")
        text = " ".join(page.inner_text("main").split())
        assert [words for words in said if words not in text] == [], text
        assert not re.search(r"\w+_(tokens|seconds|searches)", page.inner_text("table >> nth=0"))


def test_the_price_list_is_readable_and_searched(system: PaymentSystem, account: str, window: Window) -> None:
    page = window.page
    page.goto(portal(system, account))
    page.goto(f"{system.url}/billing/prices")
    window.check("prices-many-sided")
    text = " ".join(page.inner_text("main").split())
    assert "$2.50 above 200,000 input tokens" in text
    assert "Web searches $35.00 per thousand" in text
    assert "your own key" in text
    page.get_by_text("Other prices").click()
    variant = "service_tier=batch: input $0.625; output $5.00; cache read not priced apart"
    expect(page.get_by_text(variant)).to_be_visible()
    window.check("prices-variants")
    page.get_by_label("Model").fill("gemini-2.5-pro")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("rowheader")).to_have_count(1)
    page.get_by_label("Model").fill("nothing")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No model has such a name.")).to_be_visible()
