"""Which price a call has by its names, and a minimum that a call pays for."""

import pytest

from ledger.core.errors import CountsDoNotNest
from ledger.core.price_list import ModelPrice, PriceList
from schemas.prices import Price, Rate, Variant

TOKENS = {"input_tokens": "1", "output_tokens": "2"}
FLEX = Variant(attributes={"service_tier": "flex"}, rates={"input_tokens": "0.5"})
PRICES = PriceList(
    [
        Price(provider="maker", model="m-2026-01-31", names=("m",), rates=TOKENS, variants=(FLEX,)),
        Price(provider="maker", model="n", patterns=("n-.*",), rates=TOKENS),
        Price(provider="maker", model="n-exact", rates=TOKENS),
        Price(provider="seller", model="n", rates=TOKENS),
    ],
    {"alias": "seller"},
    {"seller": ("maker",)},
)


@pytest.mark.parametrize(
    ("provider", "name", "price"),
    [
        ("maker", "m", "maker/m-2026-01-31"),
        ("maker", "M-20260131", "maker/m-2026-01-31"),
        ("maker", "maker/m-20260131", "maker/m-2026-01-31"),
        ("maker", "m-20260231", None),
        ("maker", "seller/m", None),
        ("maker", "n-x", "maker/n"),
        ("maker", "n-exact", "maker/n-exact"),
        ("seller", "n", "seller/n"),
        ("seller", "n-exact", "maker/n-exact"),
        ("alias", "alias/n", "seller/n"),
        ("alias", "maker/m", "maker/m-2026-01-31"),
        ("stranger", "m", None),
    ],
)
def test_a_price_is_found_by_every_spelling_and_at_the_maker(provider: str, name: str, price: str | None) -> None:
    found = PRICES.find(provider, name)
    assert (found and f"{found.wire.provider}/{found.wire.model}") == price


def test_the_makers_service_tiers_do_not_count_at_the_seller() -> None:
    prices = [PRICES.find(provider, "m") for provider in ("maker", "seller")]
    assert [found and found.tariff(1, {"service_tier": "flex"}, 0).units["input_tokens"].price for found in prices] == [
        "0.5",
        "1",
    ]


def test_a_call_pays_for_a_minimum_whatever_part_of_it_was_counted() -> None:
    rates = {"audio_seconds": Rate(price="3600", at_least=10), "input_audio_seconds": Rate(price="3600", at_least=10)}
    tariff = ModelPrice(Price(provider="p", model="m", rates=rates)).tariff(0, {}, 0)
    counts = {"audio_seconds": "4.5", "input_audio_seconds": 1, "output_audio_seconds": 3}
    assert tariff.cost(0, 0, counts) == 10 * 10**9 * tariff.denominator
    assert [(unit, quantity) for unit, quantity, _ in tariff.billed(0, 0, counts)] == [
        ("input_audio_seconds", 10 * 10**6)
    ]
    assert tariff.cost(0, 0, {"audio_seconds": 0}) == 0
    with pytest.raises(CountsDoNotNest, match="input_audio_seconds 5 can't be part of audio_seconds 4"):
        tariff.cost(0, 0, {"audio_seconds": 4, "input_audio_seconds": 5})
