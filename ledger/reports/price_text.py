"""A price of the book for people: each rate with the condition that it counts under."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ledger.reports.charge_explanation import threshold_text, variant_text
from schemas.prices import Price, Rate

NO_PRICE = "as the wider unit"


class ConditionalRate(NamedTuple):
    """A rate of one unit. `price` None: the unit costs what the wider unit does.

    `threshold`, `variant`: when it counts, both empty for the usual rate. `at_least`: the fewest that are paid.
    """

    price: str | None
    threshold: str = ""
    variant: str = ""
    at_least: int | None = None


def rates_by_unit(rates: Mapping[str, str | Rate | None]) -> dict[str, list[ConditionalRate]]:
    """Rates by unit, the one below the first threshold first."""
    found: dict[str, list[ConditionalRate]] = {}
    for unit, rate in _rates_of(rates, ""):
        found.setdefault(unit, []).append(rate)
    return found


def rate_texts(price: Price) -> dict[str, str]:
    """Credits as text by unit and condition: "input_tokens", "input_tokens above 200,000 input tokens" ..."""
    found = {}
    for unit, rate in _rates(price):
        variant = f" ({rate.variant})" if rate.variant else ""
        threshold = f" {rate.threshold}" if rate.threshold else ""
        found[f"{unit}{threshold}{variant}"] = NO_PRICE if rate.price is None else rate.price
        if rate.at_least is not None:
            found[f"{unit} at least{variant}"] = str(rate.at_least)
    return found


def name_texts(price: Price) -> dict[str, str]:
    """By which other names usage finds the price, if there are any."""
    found = {"names": " ".join(price.names), "patterns": " ".join(price.patterns)}
    return {kind: text for kind, text in found.items() if text}


BETWEEN = "; "


def price_text(price: Price) -> str:
    """All rates of a model in one line."""
    return BETWEEN.join(f"{name} {text}" for name, text in rate_texts(price).items())


def _rates(price: Price) -> Iterator[tuple[str, ConditionalRate]]:
    yield from _rates_of(price.rates, "")
    for variant in price.variants:
        yield from _rates_of(variant.rates, variant_text(variant))


def _rates_of(rates: Mapping[str, str | Rate | None], variant: str) -> Iterator[tuple[str, ConditionalRate]]:
    for unit, rate in rates.items():
        if not isinstance(rate, Rate):
            yield unit, ConditionalRate(rate, variant=variant)
            continue
        yield unit, ConditionalRate(rate.price, variant=variant, at_least=rate.at_least)
        for threshold in rate.thresholds:
            yield unit, ConditionalRate(threshold.price, threshold_text(threshold), variant)
