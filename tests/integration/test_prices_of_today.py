"""Prices as models are billed today, at the gate and in the history: thresholds, cached prompts, free models, own keys.

Amounts are worked out by hand from `many_sided_book`; auto mode adds ten percent.
"""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.settings import Settings
from tests.support.books import many_sided_book, publish_in_force
from tests.support.events import priced_usage
from tests.support.servers import served
from tests.support.waiting import eventually

ASK = "/v1/authorizations"
GEMINI: dict[str, Any] = {"provider": "google", "model": "gemini-2.5-pro", "mode": "auto"}
FREE: dict[str, Any] = {"provider": "meta", "model": "llama:free", "mode": "auto", "input_tokens": 5}


@pytest.fixture(scope="module")
def http(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("ledger")
    publish_in_force(settings, many_sided_book(settings))
    with served(settings, folder) as http:
        yield http


def funded(http: httpx.Client, account: str, credits: str | None = None) -> str:
    assert http.post("/v1/accounts", json={"account_id": account}).status_code == 201
    if credits is not None:
        body = {"amount": credits, "reason_code": "gift"}
        assert http.post(f"/v1/accounts/{account}/adjustments", json=body).status_code == 201
    return account


def ask(http: httpx.Client, account: str, call: dict[str, Any], **more: Any) -> httpx.Response:
    return http.post(ASK, json={"account_id": account, **call, **more})


def explained(http: httpx.Client, account: str, **usage: Any) -> dict[str, Any]:
    """Records usage, and returns its transaction with the explanation once it shows."""
    answer = http.post("/v1/usage", json=priced_usage(account, **usage))
    assert answer.status_code == 202, answer.text
    path = f"/v1/transactions/{answer.json()['events'][0]['event_id']}"
    eventually(lambda: http.get(path).status_code == 200)
    found: dict[str, Any] = http.get(path).json()
    return found


def lines(transaction: dict[str, Any]) -> list[tuple[Any, ...]]:
    """item, quantity, price, per, threshold, variant, cost"""
    return [tuple(line.values()) for line in transaction["explanation"]["lines"]]


@pytest.mark.parametrize(
    ("input_tokens", "held"),
    [
        pytest.param(200_000, "0.286", id="at the threshold: 0.25 for the input, 0.01 for the output"),
        pytest.param(250_000, "0.704", id="above it: 0.625 and 0.015"),
    ],
)
def test_a_long_prompt_is_held_at_its_own_price_and_extended_at_it(
    http: httpx.Client, input_tokens: int, held: str
) -> None:
    account = funded(http, f"long_{input_tokens}", "10")
    granted = ask(http, account, GEMINI, input_tokens=input_tokens, max_output_tokens=1_000)
    assert (granted.status_code, granted.json()["amount"]) == (201, held)
    path = f"{ASK}/{granted.json()['id']}/extend"
    more = http.post(path, json={"output_tokens": 1_000}).json()
    output = Decimal("0.011") if input_tokens == 200_000 else Decimal("0.0165")
    assert Decimal(more["amount"]) - Decimal(held) == output


def test_a_cached_prompt_is_not_refused_for_its_plain_price(http: httpx.Client) -> None:
    account = funded(http, "cached", "0.02")
    call = {**GEMINI, "input_tokens": 100_000, "max_output_tokens": 100}
    plain = ask(http, account, call)
    assert (plain.status_code, plain.headers["Credits-Required"]) == (402, "0.1386")
    granted = ask(http, account, call, units={"cache_read_tokens": 100_000})
    assert (granted.status_code, granted.json()["amount"]) == (201, "0.01485")


def test_what_a_call_will_be_served_as_decides_its_hold_and_its_extension(http: httpx.Client) -> None:
    account = funded(http, "batched", "10")
    batch = {"attributes": {"service_tier": "batch"}, "input_tokens": 100_000, "max_output_tokens": 1_000}
    granted = ask(http, account, GEMINI, **batch).json()
    assert granted["amount"] == "0.07425"  # 0.0625 and 0.005
    more = http.post(f"{ASK}/{granted['id']}/extend", json={"output_tokens": 1_000}).json()
    assert more["amount"] == "0.07975"


def test_other_units_than_tokens_are_held(http: httpx.Client) -> None:
    call = {"provider": "openai", "model": "whisper", "mode": "auto", "input_tokens": 0, "max_output_tokens": 0}
    account = funded(http, "spoken", "1")
    assert ask(http, account, call, units={"audio_seconds": "3600.5"}).json()["amount"] == "0.396055"
    assert ask(http, account, call, units={"audio_seconds": 2}).json()["amount"] == "0.0011"  # at least 10


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"units": {"cache_read_tokens": 6}}, "units"),
        ({"units": {"colours": 6}}, "units"),
        ({"attributes": {"service_tier": 1}}, "attributes.service_tier"),
        ({"own_key": "yes"}, "own_key"),
        ({"model": "gemini-99"}, "model"),
    ],
)
def test_a_wrong_field_of_a_call_is_named(http: httpx.Client, more: dict[str, Any], field: str) -> None:
    answer = ask(http, "anybody", {**GEMINI, "input_tokens": 5, "max_output_tokens": 5}, **more)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, field)


def test_units_of_a_call_that_is_not_named_are_refused(http: httpx.Client) -> None:
    for more in ({"units": {"web_searches": 1}}, {"attributes": {"speed": "fast"}}, {"own_key": True}):
        assert "belong to a priced call" in ask(http, "anybody", more).text


@pytest.mark.parametrize("credits", [None, "-5"], ids=["no credits", "owing"])
def test_a_free_model_runs_without_credits(http: httpx.Client, credits: str | None) -> None:
    account = funded(http, f"free_{credits}", credits)
    granted = ask(http, account, FREE, max_output_tokens=100_000)
    assert (granted.status_code, granted.json()["amount"]) == (201, "0")
    assert granted.json()["max_output_tokens"] == 100_000
    path = f"{ASK}/{granted.json()['id']}"
    assert http.post(f"{path}/extend", json={"output_tokens": 500}).json()["amount"] == "0"
    used = {"provider": "meta", "model": "llama:free", "authorization_id": granted.json()["id"]}
    assert explained(http, account, **used)["amount"] == "0"
    eventually(lambda: http.get(path).json()["state"] == "settled")
    assert ask(http, account, GEMINI, input_tokens=1, max_output_tokens=1).status_code == 402
    assert ask(http, account, FREE, max_output_tokens=9, clamp=True).status_code == 201


def test_a_customer_with_an_own_key_is_held_and_charged_the_fee(http: httpx.Client) -> None:
    account = funded(http, "byok", "0.01")
    call = {**GEMINI, "input_tokens": 100_000, "max_output_tokens": 1_000}  # 0.125 and 0.01
    assert ask(http, account, call).status_code == 402
    granted = ask(http, account, call, own_key=True).json()
    assert granted["amount"] == "0.00675"
    path = f"{ASK}/{granted['id']}"
    assert http.post(f"{path}/extend", json={"output_tokens": 1_000}).json()["amount"] == "0.00725"
    used = {**GEMINI, "input_tokens": 100_000, "output_tokens": 2_000, "own_key": True}
    charge = explained(http, account, **used, authorization_id=granted["id"])
    why = charge["explanation"]
    assert (charge["own_key"], charge["amount"]) == (True, "-0.00725")
    assert "your own key" in charge["description"]
    assert lines(charge) == [
        ("input_tokens", "100000", "1.25", 1_000_000, None, None, "0.125"),
        ("output_tokens", "2000", "10", 1_000_000, None, None, "0.02"),
    ]
    assert (why["call_cost"], why["cost"], why["own_key_fee"], why["markup_rate"]) == ("0.145", "0", "0.05", None)
    assert (why["markup"], why["charge"]) == ("0.00725", "0.00725")
    (row,) = [
        row
        for row in csv.DictReader(io.StringIO(http.get(f"/v1/accounts/{account}/transactions.csv").text))
        if row["event_type"] == "usage.recorded"
    ]
    assert (row["own_key"], row["amount"]) == ("True", "-0.00725")
    (group,) = http.get(f"/v1/accounts/{account}/usage-summary").json()["data"]
    assert (group["requests"], group["cost"], group["markup"], group["charge"]) == (1, "0", "0.00725", "0.00725")


def test_a_charge_says_which_threshold_and_variant_it_was_priced_by(http: httpx.Client) -> None:
    account = funded(http, "explained", "100")
    long = explained(
        http,
        account,
        **{**GEMINI, "model": "gemini-2.5-pro-latest", "input_tokens": 250_000, "output_tokens": 1_000},
        units={"web_searches": 2, "cache_read_tokens": 50_000},
        extra_cost="0.5",
    )
    above = "above 200,000 input tokens"
    assert lines(long) == [
        ("input_tokens", "200000", "2.5", 1_000_000, above, None, "0.5"),
        ("output_tokens", "1000", "15", 1_000_000, above, None, "0.015"),
        ("cache_read_tokens", "50000", "0.25", 1_000_000, above, None, "0.0125"),
        ("web_searches", "2", "35", 1_000, None, None, "0.07"),
    ]
    why = long["explanation"]
    assert (why["priced_as"], long["book_version"]) == ("google/gemini-2.5-pro", 2)
    assert (why["book_cost"], why["extra_cost"], why["call_cost"]) == ("0.5975", "0.5", "1.0975")
    assert (why["cost"], why["charge"], why["difference"]) == ("1.0975", "1.20725", None)
    batch = explained(http, account, **GEMINI, input_tokens=10, output_tokens=0, attributes={"service_tier": "batch"})
    assert lines(batch) == [("input_tokens", "10", "0.625", 1_000_000, None, "service_tier=batch", "0.00000625")]


def test_a_cost_that_the_event_brings_stands_beside_the_books_estimate(http: httpx.Client) -> None:
    account = funded(http, "brought", "100")
    usage = {**GEMINI, "input_tokens": 100_000, "output_tokens": 0, "provider_cost": "0.1", "extra_cost": "0.02"}
    why = explained(http, account, **usage)["explanation"]
    assert (why["priced_by"], why["book_cost"], why["provider_cost"]) == ("provider_cost", "0.125", "0.1")
    assert (why["difference"], why["call_cost"], why["cost"], why["charge"]) == ("-0.025", "0.12", "0.12", "0.132")
    own = explained(http, account, **usage, own_key=True)
    assert (own["amount"], own["explanation"]["call_cost"], own["explanation"]["cost"]) == ("-0.006", "0.12", "0")


def test_what_the_book_cannot_price_of_a_brought_cost_is_a_note(http: httpx.Client) -> None:
    account = funded(http, "noted", "100")
    unknown = explained(http, account, model="gpt-99", provider_cost="0.1")["explanation"]
    assert (unknown["lines"], unknown["book_cost"], unknown["difference"]) == ([], None, None)
    assert unknown["notes"] == ["The book has no price: openai/gpt-99"]
    twice = explained(
        http, account, input_tokens=5, output_tokens=0, units={"cache_read_tokens": 6}, provider_cost="0.1"
    )["explanation"]
    assert (twice["book_cost"], twice["charge"]) == (None, "0.11")
    (note,) = twice["notes"]
    assert "cache_read_tokens 6" in note
    assert "input_tokens 5" in note


def test_prices_are_found_by_provider_by_any_name_of_the_model_and_page_by_page(http: httpx.Client) -> None:
    def models(**query: Any) -> list[str]:
        return [
            f"{price['provider']}/{price['model']}" for price in http.get("/v1/prices", params=query).json()["prices"]
        ]

    everything = models()
    assert everything == sorted(everything)
    assert models(provider="meta") == ["meta/llama:free"]
    assert models(model="gemini-2.5-pro-latest") == models(provider="google", model="gemini-2.5-pro") != []
    assert models(provider="openai", model="gemini-2.5-pro") == []
    assert models(search="GPT-4o") == ["openai/gpt-4o", "openai/gpt-4o-mini"]
    pages, cursor = [], None
    while True:
        page = http.get("/v1/prices", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        pages += [f"{price['provider']}/{price['model']}" for price in page["prices"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["prices"]) == 3
    assert pages == everything
    assert http.get("/v1/prices", params={"cursor": "!"}).json()["error"]["param"] == "cursor"
    assert http.get("/v1/prices").json()["own_key_fee"] == "0.05"
