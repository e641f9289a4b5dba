"""A price of the book for people: each rate with a name that says when it counts."""

from collections.abc import Iterator

from ledger.reports.charge_explanation import threshold_text, variant_text
from schemas.prices import Price, Rate

NO_PRICE = "as the wider unit"


def rate_texts(price: Price) -> dict[str, str]:
    """Credits as text by unit and condition: "input_tokens", "input_tokens above 200,000 input tokens" ..."""
    found = dict(_texts(price.rates, ""))
    for variant in price.variants:
        found |= _texts(variant.rates, f" ({variant_text(variant)})")
    return found


def price_text(price: Price) -> str:
    """All rates of a model in one line."""
    return ", ".join(f"{name} {text}" for name, text in rate_texts(price).items())


def _texts(rates: dict[str, str | Rate] | dict[str, str | Rate | None], condition: str) -> Iterator[tuple[str, str]]:
    for unit, rate in rates.items():
        if not isinstance(rate, Rate):
            yield f"{unit}{condition}", NO_PRICE if rate is None else rate
            continue
        yield f"{unit}{condition}", rate.price
        for threshold in rate.thresholds:
            yield f"{unit} {threshold_text(threshold)}{condition}", threshold.price
        if rate.at_least is not None:
            yield f"{unit} at least{condition}", str(rate.at_least)
