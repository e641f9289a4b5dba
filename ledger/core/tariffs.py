"""What one request pays for each unit, compiled to integers: its cost is one short sum of counts.

The price of a unit is for what no narrower unit with a price counts. So the coefficient of a count is the price of its
unit, less the price that the same tokens would have had as part of the wider unit. All coefficients of a tariff have
one denominator, which keeps the cost exact.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from operator import mul
from typing import NamedTuple

from ledger.core.errors import CountsDoNotNest
from schemas.money import NANOS_PER_CREDIT
from schemas.prices import Threshold, Variant
from schemas.units import SECOND_DIGITS, UNITS, WIDER, common_part, count_text, parse_count

_SUMS_MAX = 1_000  # of different sets of units that are remembered
_EVERY_EVENT = ("requests", "input_tokens", "output_tokens")


class PricedUnit(NamedTuple):
    """The price of one unit and where it is from: the price itself, a threshold of it, or a variant."""

    price: str
    threshold: Threshold | None = None
    variant: Variant | None = None
    at_least: int | None = None


class Nesting(NamedTuple):
    """These narrow units together must not count more than the wide one."""

    narrow: tuple[str, ...]
    wide: str


Form = tuple[tuple[int, int], ...]


class CostSum(NamedTuple):
    """The cost of events that count the same units: a sum over their counts, after 1 request, input and output tokens.

    `coefficients`: nanos over the tariff's denominator, one for each count. `nestings`, by place: places of narrow
    counts and the place of the wide one. `rests`: what the price of a wide unit is for, as (place, times); never
    negative. `missing`: places of counts that can't both be there while a unit with a price is not given.
    `whole`: every count is taken as it is.
    """

    coefficients: tuple[int, ...]
    nestings: tuple[tuple[tuple[int, ...], int], ...]
    rests: tuple[Form, ...]
    missing: tuple[tuple[int, ...], ...]
    whole: bool

    def nest(self, values: Sequence[int]) -> bool:
        """Whether the counts are such that each has exactly one price."""
        for narrow, wide in self.nestings:
            if sum([values[place] for place in narrow]) > values[wide]:
                return False
        for form in self.rests:
            if sum([times * values[place] for place, times in form]) < 0:
                return False
        return not any(all(values[place] for place in parts) for parts in self.missing)


class Tariff:
    """The prices that a request pays, by unit."""

    def __init__(self, units: Mapping[str, PricedUnit]) -> None:
        self.units = dict(units)
        exact = {name: _nanos_per_count(name, unit.price) for name, unit in units.items()}
        self.denominator = lcm(*(rate.denominator for rate in exact.values()))
        self._rates = {name: int(rate * self.denominator) for name, rate in exact.items()}
        self._at_least = {
            name: parse_count(name, unit.at_least) for name, unit in units.items() if unit.at_least is not None
        }
        self._sums: dict[tuple[str, ...], CostSum] = {}
        self._plain = self._sum_for(()).coefficients

    def cost(self, input_tokens: int, output_tokens: int, counts: Mapping[str, int | str]) -> int:
        """The exact cost in nanos, times the denominator. Raises CountsDoNotNest."""
        if not counts:
            request, input_, output = self._plain
            return request + input_tokens * input_ + output_tokens * output
        found = self._sum_for(tuple(counts))
        # A sum that is whole has integers only.
        whole: Iterable[int] = counts.values() if found.whole else _parsed(counts).values()  # type: ignore[assignment]
        values = (1, input_tokens, output_tokens, *whole)
        if not found.nest(values):
            raise self._refusal(dict(zip((*_EVERY_EVENT, *counts), values, strict=True)))
        if self._at_least:
            values = tuple(self._billed(dict(zip((*_EVERY_EVENT, *counts), values, strict=True))).values())
        return sum(map(mul, found.coefficients, values))

    def billed(
        self, input_tokens: int, output_tokens: int, counts: Mapping[str, int | str]
    ) -> list[tuple[str, int, Fraction]]:
        """What makes up the cost: unit, how many its price is for (as `parse_count` has it), nanos; without zeros.

        Raises CountsDoNotNest.
        """
        given = {"requests": 1, "input_tokens": input_tokens, "output_tokens": output_tokens, **_parsed(counts)}
        if not self._sum_for(tuple(counts)).nest(tuple(given.values())):
            raise self._refusal(given)
        given = self._billed(given)
        rests = self._rests(tuple(given))
        quantities = {unit: sum(times * given[name] for name, times in rest.items()) for unit, rest in rests.items()}
        return [
            (unit, quantities[unit], Fraction(quantities[unit] * self._rates[unit], self.denominator))
            for unit in self.units
            if quantities[unit]
        ]

    def _billed(self, counts: Mapping[str, int]) -> dict[str, int]:
        """What is paid for, if that is more than was counted: of a part it must not be more than of the whole."""
        at_least = {name: least for name, least in self._at_least.items() if counts.get(name)}
        billed = {name: max(count, at_least.get(name, 0)) for name, count in counts.items()}
        excess = self._excess(billed) if at_least else None
        if excess is not None:
            raise CountsDoNotNest(excess, field="data.units")
        return billed

    def _sum_for(self, names: tuple[str, ...]) -> CostSum:
        found = self._sums.get(names)
        if found is None:
            if len(self._sums) >= _SUMS_MAX:
                self._sums.clear()
            self._sums[names] = found = self._sum_of(names)
        return found

    def _sum_of(self, names: tuple[str, ...]) -> CostSum:
        given = (*_EVERY_EVENT, *names)
        place = {name: number for number, name in enumerate(given)}
        rests, nestings = self._rests(given), nestings_of(names)
        implied = [{wide: 1, **dict.fromkeys(narrow, -1)} for narrow, wide in nestings]
        return CostSum(
            tuple(sum(self._rates[unit] * rest.get(name, 0) for unit, rest in rests.items()) for name in given),
            tuple((tuple(place[name] for name in narrow), place[wide]) for narrow, wide in nestings),
            tuple(
                tuple((place[name], times) for name, times in rest.items())
                for rest in rests.values()
                if any(times < 0 for times in rest.values()) and rest not in implied
            ),
            tuple(tuple(place[name] for name in parts) for _, parts in self._missing(names)),
            not self._at_least and not any(UNITS[name].counts_seconds for name in names),
        )

    def _refusal(self, counts: Mapping[str, int]) -> CountsDoNotNest:
        """What is wrong with counts that do not nest, with their numbers."""
        names = tuple(name for name in counts if name not in _EVERY_EVENT)
        return CountsDoNotNest(
            broken_nesting(nestings_of(names), counts) or self._gap(names, counts) or self._excess(counts) or "",
            field="data.units",
        )

    def _gap(self, names: tuple[str, ...], counts: Mapping[str, int]) -> str | None:
        for unit, parts in self._missing(names):
            if all(counts[name] for name in parts):
                return f"{unit} must be given beside {' and '.join(_texts(parts, counts))}"
        return None

    def _excess(self, counts: Mapping[str, int]) -> str | None:
        for unit, rest in self._rests(tuple(counts)).items():
            if sum(times * counts[name] for name, times in rest.items()) < 0:
                inside = ", ".join(_texts([name for name in rest if name != unit], counts))
                return f"{unit} {count_text(unit, counts.get(unit, 0))} can't contain what is counted as {inside}"
        return None

    def _rests(self, given: tuple[str, ...]) -> dict[str, dict[str, int]]:
        """Per unit with a price: how often each given count is in what the price is for; narrow units first."""
        rests: dict[str, dict[str, int]] = {}
        for unit in sorted(self.units, key=lambda name: (-len(WIDER[name]), name)):
            rest = {unit: 1} if unit in given else {}
            for narrow, part in rests.items():
                if unit in WIDER[narrow]:
                    for name, times in part.items():
                        rest[name] = rest.get(name, 0) - times
            rests[unit] = {name: times for name, times in rest.items() if times}
        return rests

    def _missing(self, names: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        given = (*_EVERY_EVENT, *names)
        wide = [(unit, (name,)) for name in names for unit in sorted(WIDER[name])]
        pairs = ((one, other) for one in given for other in given if one < other)
        both = [(part, pair) for pair in pairs if (part := common_part(*pair)) is not None]
        return [(unit, parts) for unit, parts in (*wide, *both) if unit in self.units and unit not in given]


def _parsed(counts: Mapping[str, int | str]) -> dict[str, int]:
    return {name: parse_count(name, count) for name, count in counts.items()}


def nestings_of(names: tuple[str, ...]) -> list[Nesting]:
    """What must hold of these counts of an event whatever they cost; they are units besides input and output tokens."""
    by_width = sorted(names, key=lambda name: (len(WIDER[name]), name))
    found: list[Nesting] = []
    for wide in (*_EVERY_EVENT[1:], *names):
        inside = [narrow for narrow in by_width if wide in WIDER[narrow]]
        found += [Nesting((narrow,), wide) for narrow in inside]
        for dimension in sorted({dimension for narrow in inside for dimension in _dimensions(narrow)}):
            # Units that differ in one dimension have nothing in common; the widest unit of each value counts most.
            by_value: dict[str, str] = {}
            for narrow in inside:
                if dimension in _dimensions(narrow).keys() - _dimensions(wide).keys():
                    by_value.setdefault(_dimensions(narrow)[dimension], narrow)
            if len(by_value) > 1:
                found.append(Nesting(tuple(sorted(by_value.values())), wide))
    return found


def broken_nesting(nestings: Iterable[Nesting], counts: Mapping[str, int]) -> str | None:
    """Which counts do not nest, with their numbers; None if all do."""
    for narrow, wide in nestings:
        if sum(counts[name] for name in narrow) > counts[wide]:
            return f"{' and '.join(_texts(narrow, counts))} can't be part of {wide} {count_text(wide, counts[wide])}"
    return None


def _texts(names: Iterable[str], counts: Mapping[str, int]) -> list[str]:
    return [f"{name} {count_text(name, counts[name])}" for name in names]


def _dimensions(unit: str) -> dict[str, str]:
    return dict(UNITS[unit].dimensions)


def _nanos_per_count(unit: str, price: str) -> Fraction:
    per = UNITS[unit].per * (10**SECOND_DIGITS if UNITS[unit].counts_seconds else 1)
    return Fraction(price) * NANOS_PER_CREDIT / per
