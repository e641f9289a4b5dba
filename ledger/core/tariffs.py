"""What one request pays for each unit, compiled to integers: its cost is one short sum of counts.

The price of a unit is for what no narrower unit with a price counts. So the coefficient of a count is the price of its
unit, less the price that the same tokens would have had as part of the wider unit. All coefficients of a tariff have
one denominator, which keeps the cost exact.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from ledger.core.errors import CountsDoNotNest
from schemas.money import NANOS_PER_CREDIT
from schemas.prices import Threshold, Variant
from schemas.units import SECOND_DIGITS, UNITS, WIDER, common_part, count_text, parse_count

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


class CostSum(NamedTuple):
    """The cost of events that count the same units: a coefficient for each, in nanos over the tariff's denominator.

    `rests`: per unit with a price how many of each count it is for; none of them may be negative. `missing`: a unit
    with a price that is not given, though the others are, which are parts of it or have it as their common part.
    """

    request: int
    input: int
    output: int
    others: tuple[int, ...]
    nestings: tuple[Nesting, ...]
    rests: tuple[tuple[str, dict[str, int]], ...]
    missing: tuple[tuple[str, tuple[str, ...]], ...]


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
        self._plain = self._sum_of(())

    def cost(self, input_tokens: int, output_tokens: int, counts: Mapping[str, int | str]) -> int:
        """The exact cost in nanos, times the denominator. Raises CountsDoNotNest."""
        if not counts:
            plain = self._plain
            return plain.request + input_tokens * plain.input + output_tokens * plain.output
        by_name = self._billed(counts)
        names = tuple(by_name)
        found = self._sums.get(names)
        if found is None:
            found = self._sums.setdefault(names, self._sum_of(names))
        _check(found, {"input_tokens": input_tokens, "output_tokens": output_tokens, **by_name})
        cost = found.request + input_tokens * found.input + output_tokens * found.output
        for coefficient, count in zip(found.others, by_name.values(), strict=True):
            cost += coefficient * count
        return cost

    def billed(
        self, input_tokens: int, output_tokens: int, counts: Mapping[str, int | str]
    ) -> list[tuple[str, int, Fraction]]:
        """What makes up the cost: unit, how many its price is for (as `parse_count` has it), nanos; without zeros."""
        given = {"requests": 1, "input_tokens": input_tokens, "output_tokens": output_tokens, **self._billed(counts)}
        rests = self._rests(tuple(given))
        quantities = {unit: sum(times * given[name] for name, times in rest.items()) for unit, rest in rests.items()}
        return [
            (unit, quantities[unit], Fraction(quantities[unit] * self._rates[unit], self.denominator))
            for unit in self.units
            if quantities[unit]
        ]

    def _billed(self, counts: Mapping[str, int | str]) -> dict[str, int]:
        by_name = {name: parse_count(name, count) for name, count in counts.items()}
        for name, least in self._at_least.items():
            if by_name.get(name):
                by_name[name] = max(by_name[name], least)
        return by_name

    def _sum_of(self, names: tuple[str, ...]) -> CostSum:
        given = (*_EVERY_EVENT, *names)
        rests = self._rests(given)
        request, input_, output, *others = (
            sum(self._rates[unit] * rest.get(name, 0) for unit, rest in rests.items()) for name in given
        )
        return CostSum(
            request,
            input_,
            output,
            tuple(others),
            tuple(nestings_of(names)),
            tuple((unit, rest) for unit, rest in rests.items() if any(times < 0 for times in rest.values())),
            tuple(self._missing(names)),
        )

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


def nestings_of(names: tuple[str, ...]) -> list[Nesting]:
    """What must hold of these counts of an event whatever they cost; they are units besides input and output tokens."""
    wides = (*_EVERY_EVENT[1:], *names)
    found = [Nesting((narrow,), wide) for wide in wides for narrow in names if wide in WIDER[narrow]]
    for wide in wides:
        own = {name for name, _ in UNITS[wide].dimensions}
        for dimension in {name for narrow in names for name, _ in UNITS[narrow].dimensions} - own:
            # Units that differ in one dimension have nothing in common.
            by_value: dict[str, str] = {}
            for narrow in sorted(names, key=lambda name: (len(WIDER[name]), name)):
                value = dict(UNITS[narrow].dimensions).get(dimension)
                if value is not None and wide in WIDER[narrow]:
                    by_value.setdefault(value, narrow)
            if len(by_value) > 1:
                found.append(Nesting(tuple(sorted(by_value.values())), wide))
    return found


def broken_nesting(nestings: tuple[Nesting, ...] | list[Nesting], counts: Mapping[str, int]) -> str | None:
    """Which counts do not nest, with their numbers; None if all do."""
    for narrow, wide in nestings:
        total = sum(counts[name] for name in narrow)
        if total > counts[wide]:
            parts = " and ".join(f"{name} {count_text(name, counts[name])}" for name in narrow)
            return f"{parts} can't be part of {wide} {count_text(wide, counts[wide])}"
    return None


def _check(found: CostSum, counts: Mapping[str, int]) -> None:
    broken = broken_nesting(found.nestings, counts)
    if broken is not None:
        raise CountsDoNotNest(broken, field="data.units")
    for unit, parts in found.missing:
        if all(counts[name] for name in parts):
            detail = f"{unit} must be given beside {' and '.join(f'{name} {counts[name]}' for name in parts)}"
            raise CountsDoNotNest(detail, field="data.units")
    for unit, rest in found.rests:
        if sum(times * counts[name] for name, times in rest.items()) < 0:
            inside = ", ".join(f"{name} {count_text(name, counts[name])}" for name in rest if name != unit)
            detail = f"{unit} {count_text(unit, counts.get(unit, 0))} can't contain what is counted as {inside}"
            raise CountsDoNotNest(detail, field="data.units")


def _nanos_per_count(unit: str, price: str) -> Fraction:
    per = UNITS[unit].per * (10**SECOND_DIGITS if UNITS[unit].counts_seconds else 1)
    return Fraction(price) * NANOS_PER_CREDIT / per
