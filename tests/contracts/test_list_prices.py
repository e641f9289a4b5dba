"""Providers' list prices as prices of the book: exactly what genai-prices itself charges, or not imported at all."""

from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from genai_prices import Usage as ListUsage
from genai_prices.types import (
    ClauseContains,
    ClauseEquals,
    ClauseOr,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.book import compiled
from ledger.core.rating import rate_usage
from ledger.dev.first_book import first_book
from ledger.list_prices import ListPrices, UnknownListProvider, catalogue, list_prices, with_prices
from ledger.log.book import record_of
from schemas.book import Markups, Price
from schemas.events import Usage
from schemas.signatures import SigningKey

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOOK = first_book("test-1")
TWO = {"input_mtok": Decimal("2.50"), "output_mtok": Decimal(10)}
TIERS = TieredPrices(base=Decimal(1), tiers=[Tier(start=200_000, price=Decimal(2))])


def model(prices: Any, id: str = "m", match: Any = None, **more: Any) -> ModelInfo:
    """A model of a provider's list; `prices` are those of a ModelPrice, or conditional ones."""
    prices = ModelPrice(**prices) if isinstance(prices, dict) else prices
    return ModelInfo(id=id, match=match or ClauseEquals(equals=id), prices=prices, **more)


def imported(*models: ModelInfo, pattern: str = "*") -> ListPrices:
    return list_prices([Provider(id="p", name="P", api_pattern="", models=list(models))], pattern, NOON)


def price(name: str = "m", **prices: str) -> Price:
    return Price.model_validate({"provider": "p", "model": name, **prices})


def test_four_prices_per_million_tokens_are_taken_as_they_are() -> None:
    cache = {"cache_read_mtok": Decimal("1.25"), "cache_write_mtok": Decimal("0")}
    plain = {"input_per_million": "2.5", "output_per_million": "10"}
    all_four = {**plain, "cached_input_per_million": "1.25", "cache_write_per_million": "0"}
    found = imported(model(TWO), model({**TWO, **cache}, "n"))
    assert found == ListPrices([price(**plain), price("n", **all_four)], [], [])


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        ({**TWO, "input_mtok": TIERS}, "different prices above 200,000 input tokens"),
        ({**TWO, "requests_kcount": Decimal(5)}, "a separate price for requests_kcount"),
        ({**TWO, "input_audio_mtok": Decimal(5)}, "a separate price for input_audio_mtok"),
        ({**TWO, "output_image_mtok": Decimal(5)}, "a separate price for output_image_mtok"),
        ({**TWO, "output_reasoning_mtok": Decimal(5)}, "a separate price for output_reasoning_mtok"),
        ({**TWO, "input_mtok": Decimal(10**9)}, "input_per_million: must be credits per 1,000,000 tokens"),
        ({}, "no price per input token"),
        ([], "no price per input token"),
        ({"output_mtok": Decimal(1)}, "no price per input token"),
    ],
)
def test_what_a_price_per_token_cannot_say_is_skipped_with_the_reason(prices: Any, reason: str) -> None:
    found = imported(model(prices))
    assert (found.prices, found.notes) == ([], [])
    assert [(each.provider, each.model) for each in found.skipped] == [("p", "m")]
    assert found.skipped[0].says.startswith(reason)


@pytest.mark.parametrize(
    ("prices", "note"),
    [
        ({**TWO, "web_searches_kcount": Decimal(10)}, "not included in the price: web_searches_kcount 10"),
        ({**TWO, "cache_write_1h_mtok": Decimal(6)}, "not included in the price: cache_write_1h_mtok 6"),
        ({"input_mtok": Decimal("2.5")}, "output has no price, so it costs nothing"),
        (
            {**TWO, "input_mtok": Decimal("0.1" + "0" * 12 + "1")},
            "input_per_million is rounded up from 0.10000000000001",
        ),
    ],
)
def test_what_is_left_out_is_noted(prices: Any, note: str) -> None:
    found = imported(model(prices))
    assert len(found.prices) == 1
    assert [each.says[: len(note)] for each in found.notes] == [note]


def test_the_price_of_the_day_is_taken_and_a_later_one_noted() -> None:
    days = [None, date(2026, 11, 21), date(2026, 12, 1)]
    found = imported(
        model(
            [
                ConditionalPrice(
                    day and StartDateConstraint(day), prices=ModelPrice(**{**TWO, "input_mtok": Decimal(n)})
                )
                for n, day in enumerate(days)
            ]
        )
    )
    assert [each.input_per_million for each in found.prices] == ["1"]
    assert [each.says for each in found.notes] == ["a different price from 2026-12-01 on"]


def test_a_price_that_depends_on_the_time_of_day_is_skipped_at_any_time_of_day() -> None:
    night = TimeOfDateConstraint(start_time=time(0, tzinfo=UTC), end_time=time(6, tzinfo=UTC))
    found = imported(model([ConditionalPrice(c, prices=ModelPrice(**TWO)) for c in (None, night)]))
    assert [each.says for each in found.skipped] == ["the price depends on the time of day"]


def test_prices_of_other_service_tiers_are_noted() -> None:
    variants = [PriceVariant({"service_tier": tier}, ModelPrice(**TWO)) for tier in ("priority", "flex")]
    found = imported(model(TWO, price_variants=variants))
    assert [each.says for each in found.notes] == ["different prices for service_tier=flex, service_tier=priority"]


def test_a_model_has_a_price_under_each_exact_name_that_finds_it() -> None:
    both = ClauseOr(or_=[ClauseEquals(equals="m-2026"), ClauseEquals(equals="taken"), ClauseContains(contains="mm")])
    found = imported(model(TWO, "taken"), model(TWO, "m", both))
    assert [each.model for each in found.prices] == ["taken", "m-2026"]


def test_a_model_without_an_exact_name_is_skipped() -> None:
    found = imported(model(TWO, "some models", ClauseContains(contains="x")))
    assert [each.says for each in found.skipped] == ["the list has no exact name that requests use"]


def test_a_pattern_chooses_among_the_names() -> None:
    found = imported(model(TWO, "gpt-1"), model(TWO, "o1"), pattern="gpt-*")
    assert [each.model for each in found.prices] == ["gpt-1"]


def test_an_unknown_provider_is_named_beside_those_that_there_are() -> None:
    with pytest.raises(UnknownListProvider, match=r"opnai; there are .*openai"):
        catalogue(["openai", "opnai"])


def test_imported_prices_stand_beside_the_others_or_instead_of_them() -> None:
    new = Price(provider="openai", model="gpt-4o", input_per_million="9", output_per_million="9")
    merged = with_prices(BOOK, [new], replace=False)
    assert {each.model for each in merged.prices} == {each.model for each in BOOK.prices}
    assert new in merged.prices
    replaced = with_prices(BOOK, [new], replace=True)
    assert replaced.prices == (new,)
    assert replaced.model_copy(update={"prices": BOOK.prices}) == BOOK


@given(st.decimals(min_value=0, max_value=10**8, places=17) | st.integers(0, 10**8).map(Decimal))
def test_a_price_is_exact_to_12_digits_and_above_them_rounded_up_with_a_note(listed: Decimal) -> None:
    found = imported(model({**TWO, "input_mtok": listed}))
    taken = Fraction(found.prices[0].input_per_million)
    assert 0 <= taken - Fraction(listed) < Fraction(1, 10**12)
    assert bool(found.notes) == (taken != Fraction(listed))


def test_all_list_prices_make_one_book_that_charges_what_the_list_says() -> None:
    """The oracle is genai-prices' own arithmetic, for usage with every kind of token that a price knows."""
    found = list_prices(catalogue(()), "*", NOON)
    assert len(found.prices) > 1000
    free = BOOK.model_copy(update={"markups": Markups(auto="0", tier="0")})
    wire = with_prices(free, found.prices, replace=True)
    assert record_of(wire, SigningKey("test-1", b"secret"))
    version, rounded = compiled(wire, 0), {each.model for each in found.notes if "rounded" in each.says}
    for provider in catalogue(()):
        for each in [price for price in wire.prices if price.provider == provider.id]:
            info = provider.find_model(each.model)
            assert info is not None
            if info.id not in rounded:
                assert rate_usage(_usage(each), version)[0] == _listed_nanos(info, provider), each


def _usage(price: Price) -> Usage:
    return Usage.model_validate(
        {
            "request_id": "r",
            "provider": price.provider,
            "model": price.model,
            "mode": "auto",
            "input_tokens": 90_001,
            "output_tokens": 777,
            "cached_input_tokens": 40_003,
            "cache_write_tokens": 1_009,
        }
    )


def _listed_nanos(info: ModelInfo, provider: Provider) -> int:
    tokens = ListUsage(input_tokens=90_001, output_tokens=777, cache_read_tokens=40_003, cache_write_tokens=1_009)
    with localcontext(prec=50):
        return round(info.calc_price(tokens, provider, genai_request_timestamp=NOON).total_price * 10**9)
