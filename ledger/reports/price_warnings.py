"""Prices that are absurd beside others: most likely typed wrong, or wrong in the list that they are from.

Few rules, each of which is almost always right. They warn a person and refuse nothing.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from ledger.reports.charge_explanation import threshold_text, variant_text
from schemas.prices import Price, Rate, overlaid

FAR = 1_000  # per thousand tokens instead of per million, or per token
FAR_OUTPUT = 100
_IMAGE = re.compile(r"-image(-preview)?(-\d+)?(?=$|[-:])")
_COMPARED = ("input_tokens", "output_tokens")

Amounts = Mapping[str, Fraction]


class PriceWarning(NamedTuple):
    """One absurd price of a model, and what is absurd about it."""

    provider: str
    model: str
    says: str


def absurd_prices(prices: Iterable[Price], among: Iterable[Price]) -> list[PriceWarning]:
    """Warnings about these prices, each compared with itself and with those of its provider `among` all."""
    siblings = _Siblings(among)
    return [
        PriceWarning(price.provider, price.model, says)
        for price in prices
        for says in (*_within(price), *siblings.absurd_beside(price))
    ]


def _within(price: Price) -> Iterator[str]:
    plain = _broken(_amounts(price.rates))
    yield from plain
    for variant in price.variants:
        broken = _broken(_amounts(overlaid(price.rates, variant.rates)))
        yield from (f"{says} ({variant_text(variant)})" for says in broken if says not in plain)
    for unit, rate in price.rates.items():
        if isinstance(rate, Rate):
            yield from _cheaper_when_longer(unit, rate)


def _amounts(rates: Mapping[str, str | Rate]) -> Amounts:
    """The prices below all thresholds."""
    return {unit: Fraction(rate.price if isinstance(rate, Rate) else rate) for unit, rate in rates.items()}


def _broken(amounts: Amounts) -> list[str]:
    return [says for rule in RULES if (says := rule(amounts)) is not None]


def _image_output_as_text(amounts: Amounts) -> str | None:
    image, text = amounts.get("output_image_tokens"), amounts.get("output_tokens")
    if image is None or not text or image > text:
        return None
    return f"output_image_tokens cost {_text(image)}, not more than output_tokens, {_text(text)}"


def _cache_read_above_input(amounts: Amounts) -> str | None:
    read, plain = amounts.get("cache_read_tokens"), amounts.get("input_tokens")
    if read is None or plain is None or read <= plain:
        return None
    return f"cache_read_tokens cost {_text(read)}, more than input_tokens, {_text(plain)}"


def _cache_write_below_input(amounts: Amounts) -> str | None:
    written, plain = amounts.get("cache_write_tokens"), amounts.get("input_tokens")
    if written is None or plain is None or written >= plain:
        return None
    return f"cache_write_tokens cost {_text(written)}, less than input_tokens, {_text(plain)}"


def _hour_not_above_minutes(amounts: Amounts) -> str | None:
    hour = amounts.get("cache_write_1h_tokens")
    minutes = amounts.get("cache_write_5m_tokens", amounts.get("cache_write_tokens"))
    if hour is None or not minutes or hour > minutes:
        return None
    return f"cache_write_1h_tokens cost {_text(hour)}, not more than those of 5 minutes, {_text(minutes)}"


def _output_far_below_input(amounts: Amounts) -> str | None:
    plain, output = amounts.get("input_tokens"), amounts.get("output_tokens")
    if not plain or not output or 2 * output >= plain:
        return None
    return f"output_tokens cost {_text(output)}, less than half of input_tokens, {_text(plain)}"


def _output_far_above_input(amounts: Amounts) -> str | None:
    plain, output = amounts.get("input_tokens"), amounts.get("output_tokens")
    if not plain or not output or output <= FAR_OUTPUT * plain:
        return None
    return f"output_tokens cost {_text(output)}, more than {FAR_OUTPUT} times input_tokens, {_text(plain)}"


RULES: tuple[Callable[[Amounts], str | None], ...] = (
    _image_output_as_text,
    _cache_read_above_input,
    _cache_write_below_input,
    _hour_not_above_minutes,
    _output_far_below_input,
    _output_far_above_input,
)


def _cheaper_when_longer(unit: str, rate: Rate) -> Iterator[str]:
    below = rate.price
    for threshold in rate.thresholds:
        if Fraction(threshold.price) < Fraction(below):
            yield f"{unit} {threshold_text(threshold)} cost {threshold.price}, less than below, {below}"
        below = threshold.price


class _Siblings:
    """The prices of the same provider."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._by_name: dict[tuple[str, str], Price] = {}
        self._sorted: defaultdict[tuple[str, str], list[Fraction]] = defaultdict(list)
        for price in prices:
            self._by_name.update(((price.provider, name), price) for name in (price.model, *price.names))
            amounts = _amounts(price.rates)
            for unit in _COMPARED:
                if amounts.get(unit):
                    self._sorted[price.provider, unit].append(amounts[unit])
        for found in self._sorted.values():
            found.sort()

    def absurd_beside(self, price: Price) -> Iterator[str]:
        """What is absurd about a price beside the others of its provider."""
        amounts = _amounts(price.rates)
        yield from self._image_as_text(price, amounts)
        for unit in _COMPARED:
            of_all = self._sorted[price.provider, unit]
            if amounts.get(unit) and len(of_all) > 1:
                yield from _far_from(unit, amounts[unit], _median_of_others(of_all, amounts[unit]))

    def _image_as_text(self, price: Price, amounts: Amounts) -> Iterator[str]:
        """A model that makes images has the output price of the model of the same name that makes text."""
        text = self._by_name.get((price.provider, _IMAGE.sub("", price.model)))
        if text is None or text.model == price.model or "output_image_tokens" in amounts:
            return
        output = amounts.get("output_tokens")
        if output and output <= _amounts(text.rates).get("output_tokens", 0):
            costs = f"output_tokens cost what those of {text.model} do, {_text(output)}"
            yield f"output_image_tokens have no price, and {costs}"


def _median_of_others(of_all: Sequence[Fraction], own: Fraction) -> Fraction:
    """The lower median of sorted amounts without one of them."""
    middle = (len(of_all) - 2) // 2
    return of_all[middle + (bisect_left(of_all, own) <= middle)]


def _far_from(unit: str, amount: Fraction, usual: Fraction) -> Iterator[str]:
    if not usual < amount * FAR or not amount < usual * FAR:
        yield f"{unit} cost {_text(amount)}; half of the provider's other models cost at most {_text(usual)}"


def _text(amount: Fraction) -> str:
    """Prices are decimals."""
    digits = 18
    whole, rest = divmod(amount.numerator * 10**digits // amount.denominator, 10**digits)
    return f"{whole}.{rest:0{digits}}".rstrip("0").rstrip(".")
