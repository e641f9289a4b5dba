"""What a call costs: the provider's cost or the book's price, a markup, and one rounding half to even."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import AmountOutOfBounds, CountsDoNotNest, Unpriced
from ledger.core.rating import round_half_even
from schemas.money import format_nanos

from .records import plain_book
from .story import Story


def _rated(story: Story | None = None, **usage: Any) -> tuple[str, str]:
    """(what the customer pays, what the provider takes)"""
    call = {"request_id": "req", "provider": "openai", "model": "gpt", "mode": "auto"}
    tokens = {"input_tokens": 0, "output_tokens": 0}
    entry = (story or Story()).apply("usage.recorded", **{**call, **tokens, **usage}).entry
    return format_nanos(-entry.amount), format_nanos(entry.cost)


@pytest.mark.parametrize(
    ("mode", "cost", "charge"),
    [
        pytest.param("auto", "0.01", "0.011", id="auto adds ten percent"),
        pytest.param("tier", "0.01", "0.0108", id="tier adds eight percent"),
        pytest.param("auto", "0", "0", id="nothing costs nothing"),
        pytest.param("auto", "0.010", "0.011", id="zeros at the end say nothing"),
        pytest.param("tier", "100", "108", id="whole credits"),
    ],
)
def test_the_markup_of_the_mode_is_added_to_the_providers_cost(mode: str, cost: str, charge: str) -> None:
    assert _rated(mode=mode, provider_cost=cost)[0] == charge


@pytest.mark.parametrize(
    ("cost", "rounded"),
    [
        pytest.param("0.0000000004", "0", id="below half goes down"),
        pytest.param("0.0000000005", "0", id="a tie goes down to the even 0"),
        pytest.param("0.000000000500000001", "0.000000001", id="above half goes up"),
        pytest.param("0.0000000015", "0.000000002", id="a tie goes up to the even 2"),
        pytest.param("0.0000000025", "0.000000002", id="a tie goes down to the even 2"),
        pytest.param("0.0000000035", "0.000000004", id="a tie goes up to the even 4"),
    ],
)
def test_a_cost_is_rounded_half_to_even(cost: str, rounded: str) -> None:
    without_markup = Story(plain_book(markups={"auto": "0", "tier": "0"}))
    assert _rated(without_markup, provider_cost=cost) == (rounded, rounded)


@pytest.mark.parametrize(
    ("cost", "charge"),
    [
        # 1.1 × 0.5 = 0.55 → 1, but rounded before: 0 → 0.
        pytest.param("0.0000000005", "0.000000001", id="a cost that alone would round to nothing"),
        # 1.1 × 2.5 = 2.75 → 3, but rounded before: 2 × 1.1 = 2.2 → 2.
        pytest.param("0.0000000025", "0.000000003", id="a cost that alone would round down"),
        # 1.1 × 1.363636364 = 1.5000000004 → 2
        pytest.param("0.000000001363636364", "0.000000002", id="just above a tie"),
        pytest.param("0.000000001363636363", "0.000000001", id="just below a tie"),
        # 1.1 × 5 = 5.5 → 6, 1.1 × 15 = 16.5 → 16
        pytest.param("0.000000005", "0.000000006", id="a tie of the charge goes up to the even 6"),
        pytest.param("0.000000015", "0.000000016", id="a tie of the charge goes down to the even 16"),
    ],
)
def test_the_charge_is_rounded_once_from_the_exact_cost(cost: str, charge: str) -> None:
    assert _rated(provider_cost=cost)[0] == charge


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        pytest.param({"input_tokens": 1_000_000}, "2.5", id="a million input tokens"),
        pytest.param({"output_tokens": 1_000_000}, "10", id="a million output tokens"),
        pytest.param({"input_tokens": 374, "output_tokens": 44}, "0.001375", id="the example of the design"),
        pytest.param(
            {"input_tokens": 1_000_000, "units": {"cache_read_tokens": 400_000}},
            "2.5",
            id="no cache price: input price",
        ),
        pytest.param(
            {"model": "gpt-cached", "input_tokens": 500, "units": {"cache_read_tokens": 200}},
            "0.00096",
            id="cache read",
        ),
        pytest.param(
            {"model": "gpt-cached", "input_tokens": 500, "units": {"cache_write_tokens": 200}},
            "0.00165",
            id="cache write",
        ),
        pytest.param(
            {
                "model": "gpt-cached",
                "input_tokens": 500,
                "units": {"cache_write_1h_tokens": 200, "cache_write_tokens": 300},
            },
            "0.002175",
            id="cache write for an hour",
        ),
        pytest.param(
            {
                "model": "gpt-cached",
                "input_tokens": 100,
                "units": {"cache_read_tokens": 60, "cache_write_tokens": 40},
            },
            "0.000168",
            id="all input is cached or written",
        ),
        pytest.param({"model": "gpt-cached", "input_tokens": 899}, "0.002697", id="below the threshold"),
        pytest.param({"model": "gpt-cached", "input_tokens": 900}, "0.0054", id="from it on, all input"),
        pytest.param(
            {"model": "gpt-cached", "output_tokens": 100, "attributes": {"service_tier": "priority"}},
            "0.003",
            id="a variant",
        ),
        pytest.param(
            {"model": "gpt-cached", "output_tokens": 100, "attributes": {"service_tier": "flex"}},
            "0.0015",
            id="another attribute",
        ),
        pytest.param({"model": "gpt-cached", "units": {"web_searches": 3}}, "0.03", id="searches"),
        pytest.param({"model": "gpt-cached-2026", "input_tokens": 100}, "0.0003", id="another name"),
        pytest.param({"input_tokens": 374, "output_tokens": 44, "extra_cost": "0.01"}, "0.011375", id="extra cost"),
    ],
)
def test_the_book_prices_tokens_when_the_event_brings_no_cost(usage: dict[str, Any], cost: str) -> None:
    assert _rated(**usage)[1] == cost


def test_a_cache_price_of_zero_is_a_price() -> None:
    rates = {"input_tokens": "1", "output_tokens": "1", "cache_read_tokens": "0", "cache_write_tokens": "0"}
    book = plain_book(prices=[{"provider": "openai", "model": "gpt", "rates": rates}])
    units = {"cache_read_tokens": 5, "cache_write_tokens": 4}
    assert _rated(Story(book), input_tokens=9, units=units) == ("0", "0")


def test_usage_with_the_customers_own_key_costs_us_nothing_and_is_charged_the_books_fee() -> None:
    assert _rated(input_tokens=1_000_000, own_key=True) == ("0.125", "0")
    assert _rated(provider_cost="1", extra_cost="1", own_key=True) == ("0.1", "0")
    assert _rated(Story(plain_book(own_key_fee="0")), input_tokens=1_000_000, own_key=True) == ("0", "0")


def test_the_events_cost_goes_before_the_books_price() -> None:
    assert _rated(input_tokens=1_000_000, provider_cost="0.5") == ("0.55", "0.5")


@pytest.mark.parametrize("other", [{"model": "gpt-9"}, {"provider": "azure"}])
def test_a_model_that_the_book_does_not_know_is_unpriced_and_never_free(other: dict[str, str]) -> None:
    with pytest.raises(Unpriced) as refusal:
        _rated(**other)
    assert refusal.value.code == "unpriced"
    assert "data.model" in str(refusal.value)


@pytest.mark.parametrize(
    ("units", "numbers"),
    [
        ({"cache_read_tokens": 11}, "cache_read_tokens 11 can't be part of input_tokens 10"),
        (
            {"cache_read_tokens": 6, "cache_write_tokens": 5},
            "cache_read_tokens 6 and cache_write_tokens 5 can't be part of input_tokens 10",
        ),
        (
            {"cache_write_1h_tokens": 5, "cache_write_tokens": 4},
            "cache_write_1h_tokens 5 can't be part of cache_write_tokens 4",
        ),
        ({"output_reasoning_tokens": 8}, "output_reasoning_tokens 8 can't be part of output_tokens 7"),
        (
            {"audio_seconds": "1.5", "input_audio_seconds": "1.6"},
            "input_audio_seconds 1.6 can't be part of audio_seconds 1.5",
        ),
        ({"cache_write_1h_tokens": 5}, "cache_write_tokens must be given beside cache_write_1h_tokens 5"),
    ],
)
def test_counts_that_do_not_nest_are_refused_by_their_numbers_unless_the_event_brings_its_cost(
    units: dict[str, Any], numbers: str
) -> None:
    counted = {"model": "gpt-cached", "input_tokens": 10, "output_tokens": 7, "units": units}
    with pytest.raises(CountsDoNotNest) as refusal:
        _rated(**counted)
    assert (refusal.value.field, refusal.value.detail) == ("data.units", numbers)
    assert _rated(**counted, provider_cost="1") == ("1.1", "1")


def test_a_charge_above_the_bound_of_one_event_is_refused() -> None:
    story = Story(plain_book(bounds={"event_credits_max": "11", "top_up_credits_min": "5"}))
    assert _rated(story, provider_cost="10") == ("11", "10")
    with pytest.raises(AmountOutOfBounds):
        _rated(story, provider_cost="10.000000001")


def test_a_charge_that_is_not_plausible_is_kept_aside_until_it_is_accepted() -> None:
    story = Story()
    million = {"input_tokens": 10**9, "output_tokens": 0, "provider": "openai", "model": "gpt", "mode": "auto"}
    kept = story.apply("usage.recorded", request_id="req_1", **million)
    assert (kept.entry.amount, kept.entry.balance_after) == (0, 0)
    (effect,) = kept.effects
    assert effect.type == "usage.quarantined"
    assert (effect.data.charge, effect.data.bound, effect.data.request_id) == ("2750", "500", "req_1")
    usage = {"request_id": "req_1", **million}
    decided = {"event_id": kept.entry.fact.event_id, "signed": False, "reason_code": "checked", "actor_id": "op_1"}
    assert story.apply("usage.dropped", **decided).entry.amount == 0
    accepted = story.apply("usage.accepted", usage=usage, **decided)
    assert (format_nanos(accepted.entry.amount), format_nanos(accepted.entry.cost)) == ("-2750", "2500")


@given(st.integers(0, 10**40) | st.integers(0, 50), st.integers(1, 10**20) | st.integers(1, 4))
def test_rounding_is_that_of_exact_fractions(numerator: int, denominator: int) -> None:
    assert round_half_even(numerator, denominator) == round(Fraction(numerator, denominator))
