"""Prices that are absurd beside others: each rule, and that usual prices have no warning."""

from datetime import UTC, datetime

import pytest

from ledger.list_prices import catalogue, list_prices
from ledger.reports.price_warnings import absurd_prices
from schemas.prices import Price, Rate, Threshold, UnitPrice, Variant

USUAL: dict[str, UnitPrice | Rate] = {
    "input_tokens": "2",
    "output_tokens": "8",
    "cache_read_tokens": "0.2",
    "cache_write_tokens": "2.5",
    "cache_write_1h_tokens": "4",
}


def price(model: str = "m", variants: tuple[Variant, ...] = (), **rates: UnitPrice | Rate) -> Price:
    return Price(provider="p", model=model, rates={**USUAL, **rates}, variants=variants)


def warnings(*prices: Price) -> list[str]:
    return [each.says for each in absurd_prices(prices[:1], prices)]


def test_usual_prices_have_no_warning() -> None:
    image = price("m-image", output_image_tokens="60")
    assert warnings(price(), price("mini", input_tokens="0.1", output_tokens="0.4"), image) == []


@pytest.mark.parametrize(
    ("rates", "warning"),
    [
        ({"output_image_tokens": "8"}, "output_image_tokens cost 8, not more than output_tokens, 8"),
        ({"cache_read_tokens": "2.1"}, "cache_read_tokens cost 2.1, more than input_tokens, 2"),
        ({"cache_write_tokens": "1.9"}, "cache_write_tokens cost 1.9, less than input_tokens, 2"),
        ({"cache_write_1h_tokens": "2.5"}, "cache_write_1h_tokens cost 2.5, not more than those of 5 minutes, 2.5"),
        ({"output_tokens": "0.9"}, "output_tokens cost 0.9, less than half of input_tokens, 2"),
        ({"output_tokens": "201"}, "output_tokens cost 201, more than 100 times input_tokens, 2"),
        (
            {"input_tokens": Rate(price="2", thresholds=(Threshold(input_tokens=200_000, price="1"),))},
            "input_tokens above 200,000 input tokens cost 1, less than below, 2",
        ),
    ],
)
def test_a_price_is_absurd_beside_those_of_the_same_model(rates: dict[str, UnitPrice | Rate], warning: str) -> None:
    assert warnings(price(**rates)) == [warning]


def test_the_prices_of_a_variant_are_compared_with_those_that_it_leaves() -> None:
    fast = Variant(attributes={"speed": "fast"}, rates={"input_tokens": "3"})
    later = Variant(since=datetime(2026, 12, 1, tzinfo=UTC), rates={"output_tokens": "0.5"})
    assert warnings(price(variants=(fast, later))) == [
        "cache_write_tokens cost 2.5, less than input_tokens, 3 (speed=fast)",
        "output_tokens cost 0.5, less than half of input_tokens, 2 (from 2026-12-01 00:00 UTC)",
    ]


def test_what_is_absurd_without_a_variant_is_said_once() -> None:
    batch = Variant(attributes={"processing": "batch"}, rates={"web_searches": "1"})
    assert warnings(price(variants=(batch,), cache_read_tokens="3")) == [
        "cache_read_tokens cost 3, more than input_tokens, 2"
    ]


@pytest.mark.parametrize("name", ["m-image", "m-image-2", "m-image-preview", "m-image:free"])
def test_images_at_the_price_of_text_are_found_by_the_model_of_the_same_name(name: str) -> None:
    text = price("m:free" if name.endswith(":free") else "m")
    says = f"output_image_tokens have no price, and output_tokens cost what those of {text.model} do, 8"
    assert warnings(price(name), text) == [says]
    assert warnings(price(name, output_tokens="40"), text) == []
    assert warnings(price(name, output_image_tokens="40"), text) == []


@pytest.mark.parametrize(
    ("typed", "warning"),
    [
        ("0.000002", "input_tokens cost 0.000002; half of the provider's other models cost at most 2"),  # per token
        ("0.002", "input_tokens cost 0.002; half of the provider's other models cost at most 2"),  # per thousand
        ("2000", "input_tokens cost 2000; half of the provider's other models cost at most 2"),
    ],
)
def test_a_price_for_another_number_of_tokens_is_found_by_the_providers_others(typed: str, warning: str) -> None:
    others = (price("one"), price("two", input_tokens="30", output_tokens="40"))
    mistyped = Price(provider="p", model="m", rates={"input_tokens": typed})
    assert warnings(mistyped, *others) == [warning]
    assert warnings(mistyped) == []
    assert warnings(mistyped, others[0].model_copy(update={"provider": "other"})) == []


def test_of_the_list_prices_few_are_absurd_and_the_known_ones_are() -> None:
    prices = list_prices(catalogue(()), "*").prices
    found = absurd_prices(prices, prices)
    assert {("openai", "gpt-5-image"), ("openai", "gpt-5-image-mini")} <= {
        (each.provider, each.model) for each in found
    }
    assert len({(each.provider, each.model) for each in found}) < len(prices) / 40
