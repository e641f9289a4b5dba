"""The units are those of genai-prices, and nest as the library's do."""

from itertools import combinations

import pytest
from genai_prices.data_units import unit_data
from genai_prices.units import UnitRegistry

from schemas.prices import gap_in
from schemas.units import UNITS, WIDER, common_part

LIBRARY = UnitRegistry(unit_data)


def test_the_names_are_the_librarys() -> None:
    assert set(UNITS) == set(unit_data)


@pytest.mark.parametrize("name", unit_data)
def test_a_unit_has_the_librarys_dimensions_and_price_is_for_as_many(name: str) -> None:
    assert dict(UNITS[name].dimensions) == unit_data[name]["dimensions"]
    assert UNITS[name].per == unit_data[name]["per"]


@pytest.mark.parametrize("name", unit_data)
def test_a_unit_is_part_of_its_ancestors_only(name: str) -> None:
    assert WIDER[name] == LIBRARY.ancestor_usage_keys(name)
    assert {wide for wide in UNITS if wide in WIDER[name]} == LIBRARY.ancestor_usage_keys(name)


def test_what_two_units_both_count_is_the_librarys_join() -> None:
    for one, other in combinations(unit_data, 2):
        nested = other in WIDER[one] or one in WIDER[other]
        join = None if nested else LIBRARY.find_join(LIBRARY.units[one], LIBRARY.units[other])
        found = common_part(one, other)
        assert found == common_part(other, one)
        assert found == (join and join.usage_key), (one, other)


@pytest.mark.parametrize(
    ("units", "gap"),
    [
        ({"input_tokens", "output_tokens"}, None),
        ({"cache_read_tokens"}, "cache_read_tokens has a price, so input_tokens, which it is a part of, needs one"),
        (
            {"input_tokens", "input_audio_tokens", "cache_read_tokens"},
            "cache_read_tokens and input_audio_tokens have prices, so cache_audio_read_tokens, which both count, "
            "needs one",
        ),
    ],
)
def test_every_part_of_a_request_needs_a_price(units: set[str], gap: str | None) -> None:
    assert gap_in(units) == gap
