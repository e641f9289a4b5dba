"""What a new version of the book would change: complete, by meaning, and with exact percentages."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.book import Version, compiled
from ledger.reports.book_diff import Difference, changes, removed_models, summary
from tests.core.records import version_of, wire_of

OTHER_PACKAGES = [{"name": "free", "included_traces": 20}, {"name": "team", "included_traces": 7}]


def version(**parts: Any) -> Version:
    return compiled(version_of(wire_of(**parts)), 0)


def price(input_: str, output: str = "10", model: str = "gpt", **more: Any) -> dict[str, Any]:
    rates = {"input_tokens": input_, "output_tokens": output, **more.pop("rates", {})}
    return {"provider": "openai", "model": model, "rates": rates, **more}


def test_another_spelling_of_the_same_changes_nothing() -> None:
    before = version(prices=[price("2.5")])
    after = version(version=7, prices=[price("2.500", "10.0")], markups={"auto": "0.1", "tier": "0.080"})
    assert changes(before, after) == []
    assert summary([]) == "Nothing changes."


@pytest.mark.parametrize(
    ("parts", "change"),
    [
        ({"markups": {"auto": "0.2", "tier": "0.08"}}, Difference("markups", "auto", "0.1", "0.2")),
        ({"trace_price": "0.003"}, Difference("trace_price", "", "0.002", "0.003")),
        ({"default_package": "pro"}, Difference("default_package", "", "free", "pro")),
        ({"levels": [{"name": "low", "at_most": "-1.5"}]}, Difference("levels", "low", None, "at most -1.5")),
        ({"bounds": {"top_up_credits_min": "10"}}, Difference("bounds", "top_up_credits_min", "5", "10")),
        ({"schema_versions": [2, 1]}, Difference("schema_versions", "", "1", "1, 2")),
        ({"rules": 2}, Difference("rules", "", "1", "2")),
        (
            {"signing_keys": [{"key_id": "k1", "valid_until": "2026-12-01T00:00:00Z"}]},
            Difference(
                "signing_keys", "k1", "from the beginning", "from the beginning until 2026-12-01T00:00:00+00:00"
            ),
        ),
    ],
)
def test_each_part_is_compared(parts: dict[str, Any], change: Difference) -> None:
    assert changes(version(), version(**parts)) == [change]


def test_packages_are_changed_added_and_removed() -> None:
    assert changes(version(), version(packages=OTHER_PACKAGES)) == [
        Difference("packages", "free", "10 traces a month", "20 traces a month"),
        Difference("packages", "pro", "100 traces a month", None),
        Difference("packages", "team", None, "7 traces a month"),
    ]


def test_prices_go_up_and_down_come_and_go() -> None:
    before = version(prices=[price("3", model="a"), price("0", model="b"), price("1", model="gone")])
    after = version(prices=[price("2", model="a"), price("0", "11", model="b"), price("4", model="new")])
    assert changes(version(prices=[price("3", model="a")]), version(prices=[price("2", model="a")])) == [
        Difference("prices", "openai/a input_tokens", "3", "2", "-33.33")
    ]
    found = changes(before, after)
    assert found[-3:] == [
        Difference("prices", "openai/b output_tokens", "10", "11", "+10.00"),
        Difference("prices", "openai/gone", "input_tokens 1; output_tokens 10", None),
        Difference("prices", "openai/new", None, "input_tokens 4; output_tokens 10"),
    ]
    assert summary(found) == "Prices: 1 up, 1 down, 1 added, 1 removed."
    assert removed_models(before, after) == [("openai", "gone")]


def test_a_price_from_nothing_goes_up_by_no_percentage() -> None:
    found = changes(version(prices=[price("0")]), version(prices=[price("1")]))
    assert found == [Difference("prices", "openai/gpt input_tokens", "0", "1")]
    assert summary(found) == "Prices: 1 up."


def test_thresholds_variants_and_names_are_compared() -> None:
    long = {"price": "3", "thresholds": [{"input_tokens": 200_000, "price": "6"}]}
    flex = {"attributes": {"service_tier": "flex"}, "rates": {"input_tokens": "1"}}
    before = version(prices=[price("3")])
    after = version(prices=[price("3", rates={"input_tokens": long}, variants=[flex], names=["gpt-now"])])
    assert changes(before, after) == [
        Difference("prices", "openai/gpt input_tokens above 200,000 input tokens", None, "6"),
        Difference("prices", "openai/gpt input_tokens (service_tier=flex)", None, "1"),
        Difference("names", "openai/gpt", "", "gpt-now"),
    ]


def test_of_a_first_version_everything_is_new() -> None:
    found = changes(None, version())
    assert {change.before for change in found} == {None}
    assert {change.part for change in found} >= {"prices", "markups", "packages", "signing_keys", "rules"}
    assert removed_models(None, version()) == []


PRICES = st.builds(
    lambda whole, fraction: f"{whole}.{fraction:012}", st.integers(0, 999_999_999), st.integers(0, 10**12 - 1)
)
VERSIONS = st.builds(
    lambda models, auto, trace_price, levels, packages: version(
        prices=[price(*prices, model=model) for model, prices in models.items()],
        markups={"auto": auto, "tier": "0.08"},
        trace_price=trace_price,
        levels=[{"name": name, "at_most": at_most} for name, at_most in levels.items()],
        **packages,
    ),
    st.dictionaries(st.sampled_from("abc"), st.tuples(PRICES, PRICES)),
    st.sampled_from(["0", "0.1", "0.10"]),
    st.sampled_from(["0", "0.000000000000000001"]),
    st.dictionaries(st.sampled_from(["low", "lower"]), st.sampled_from(["0", "-1", "5"])),
    st.sampled_from([{}, {"packages": OTHER_PACKAGES}, {"packages": OTHER_PACKAGES, "default_package": "team"}]),
)


@given(VERSIONS, VERSIONS)
def test_nothing_changes_exactly_when_the_fold_goes_by_the_same_numbers(before: Version, after: Version) -> None:
    assert (changes(before, after) == []) == (before == after)


@given(VERSIONS, VERSIONS)
def test_the_way_back_is_the_same_change_the_other_way_round(before: Version, after: Version) -> None:
    there = {(change.part, change.name, change.before, change.after) for change in changes(before, after)}
    back = {(change.part, change.name, change.after, change.before) for change in changes(after, before)}
    assert there == back


@given(PRICES.filter(lambda text: Fraction(text) > 0), PRICES)
def test_a_percentage_is_within_half_a_hundredth(before: str, after: str) -> None:
    found = changes(version(prices=[price("1", before)]), version(prices=[price("1", after)]))
    exact = (Fraction(after) / Fraction(before) - 1) * 100
    said = Fraction(found[0].percent) if found and found[0].percent else Fraction(0)
    assert abs(said - exact) <= Fraction(1, 200)
