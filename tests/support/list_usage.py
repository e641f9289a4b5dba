"""Random usage of a model of the list prices, and what genai-prices itself charges for it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations
from random import Random
from typing import NamedTuple

from genai_prices.types import ModelInfo, Provider, Usage

from ledger.core.calendar import ms_of
from ledger.core.errors import CountsDoNotNest
from ledger.core.price_list import ModelPrice
from schemas.money import NANOS_PER_CREDIT
from schemas.prices import Price, Rate, Variant
from schemas.units import COUNTED, UNITS, WIDER, parse_count

FIRST_DAY = datetime(2023, 1, 1, tzinfo=UTC)
_DAYS = 5 * 365


class RandomCall(NamedTuple):
    """A call of a model: what it counts, how it was served, and when."""

    input_tokens: int
    output_tokens: int
    units: dict[str, int | str]
    attributes: dict[str, str]
    at: datetime

    @property
    def counts(self) -> dict[str, Decimal | int]:
        """All counts, as the library takes them."""
        given = {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens, **self.units}
        return {name: Decimal(count) if isinstance(count, str) else count for name, count in given.items()}

    def library_cost(self, model: ModelInfo, provider: Provider) -> Fraction | None:
        """What the library charges, exactly; None if it refuses the counts."""
        with localcontext(prec=80):
            try:
                charged = model.calc_price(
                    Usage(**self.counts),
                    provider,
                    genai_request_timestamp=self.at,
                    price_context=self.attributes or None,
                )
            except ValueError:
                return None
        return Fraction(charged.total_price)

    def our_cost(self, price: ModelPrice) -> Fraction | None:
        """What the book charges, before the markup and not rounded; None if the counts are refused."""
        tariff = price.tariff(self.input_tokens, self.attributes, ms_of(self.at))
        try:
            cost = tariff.cost(self.input_tokens, self.output_tokens, self.units)
        except CountsDoNotNest:
            return None
        lines = tariff.billed(self.input_tokens, self.output_tokens, self.units)
        assert sum(nanos for _, _, nanos in lines) == Fraction(cost, tariff.denominator)
        return Fraction(cost, tariff.denominator * NANOS_PER_CREDIT)

    def nests(self) -> bool:
        """Whether there can be such a call: no part, and no two parts without overlap, count more than the whole."""
        counts = {
            name: parse_count(name, count)
            for name, count in {
                "input_tokens": self.input_tokens,
                "output_tokens": self.output_tokens,
                **self.units,
            }.items()
        }
        for wide, count in counts.items():
            parts = [name for name in counts if wide in WIDER[name]]
            if any(counts[part] > count for part in parts):
                return False
            for one in _disjoint(parts):
                if sum(counts[part] for part in one) > count:
                    return False
        return True


def random_calls(rnd: Random, price: Price, how_many: int) -> Iterator[RandomCall]:
    """Calls around everything that the price says: thresholds, attributes, dates and hours, and their edges."""
    rates = [*price.rates.items(), *((unit, rate) for each in price.variants for unit, rate in each.rates.items())]
    priced = {unit for unit, _ in rates}
    firsts = sorted({threshold.first for _, rate in rates if isinstance(rate, Rate) for threshold in rate.thresholds})
    moments = list(_edges(price.variants))
    for _ in range(how_many):
        inputs = rnd.choice(
            [0, rnd.randrange(1_000), rnd.randrange(10**6), *(first + n for first in firsts for n in (-1, 0, 1))]
        )
        outputs = rnd.choice([0, rnd.randrange(10**5)])
        at = FIRST_DAY + timedelta(days=rnd.randrange(_DAYS), milliseconds=rnd.randrange(86_400_000))
        if moments and rnd.random() < 0.5:
            at = _near(rnd, rnd.choice(moments), at)
        served = [dict(each.attributes) for each in price.variants if each.attributes]
        attributes = rnd.choice([*served, {}, {"service_tier": "unknown"}])
        units = _counts(rnd, priced, inputs, outputs, nested=rnd.random() < 0.8)
        yield RandomCall(inputs, outputs, units, attributes, at)


def _counts(rnd: Random, priced: set[str], inputs: int, outputs: int, *, nested: bool) -> dict[str, int | str]:
    """Of units with a price, and of one or two others."""
    names = (priced & COUNTED) | set(rnd.sample(sorted(COUNTED), 2))
    counts = {"input_tokens": inputs, "output_tokens": outputs}
    for name in sorted(names, key=lambda name: (len(WIDER[name]), name)):
        if rnd.random() < 0.3:
            continue
        most = min((counts[wide] for wide in WIDER[name] if wide in counts), default=rnd.choice([30, 10_000]))
        counts[name] = rnd.randrange(most // 3 + 1) if nested else rnd.randrange(2 * most + 2)
    return {name: _seconds(rnd, name, count) for name, count in counts.items() if name in COUNTED}


def _seconds(rnd: Random, name: str, count: int) -> int | str:
    return f"{count}.{rnd.randrange(1, 10)}" if UNITS[name].counts_seconds and rnd.random() < 0.3 else count


def _edges(variants: tuple[Variant, ...]) -> Iterator[datetime | str]:
    for each in variants:
        yield from (moment for moment in (each.since, each.until) if moment)
        if each.hours:
            yield from (each.hours.start, each.hours.end)


def _near(rnd: Random, edge: datetime | str, at: datetime) -> datetime:
    if isinstance(edge, str):
        hour, minute, second = (*map(int, edge.split(":")), 0)[:3]
        edge = at.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return edge + timedelta(milliseconds=rnd.choice([-1, 0, 1]))


def _disjoint(parts: list[str]) -> Iterator[tuple[str, ...]]:
    """The sets of parts of which no two can count the same."""
    for size in range(2, len(parts) + 1):
        found = [
            some for some in combinations(parts, size) if all(map(_differ, *zip(*combinations(some, 2), strict=True)))
        ]
        if not found:
            return
        yield from found


def _differ(one: str, other: str) -> bool:
    mine, theirs = dict(UNITS[one].dimensions), dict(UNITS[other].dimensions)
    return any(theirs.get(name, value) != value for name, value in mine.items())
