"""What a model call or a trace costs: exact cost first, then markup and one rounding, in integers.

`charge = round_half_even(exact_cost × (1 + markup))` to one nano; `cost` is rounded the same way; the markup is the
difference. The fold and the gate price by the same tariffs.
"""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from ledger.core.book import Version
from ledger.core.calendar import ms_of
from ledger.core.errors import Refused, Unpriced
from ledger.core.tariffs import Tariff, broken_nesting, nestings_of
from schemas.events import Mode, Usage
from schemas.money import ATTOS_PER_NANO, parse_attos
from schemas.units import parse_count


class Call(NamedTuple):
    """A model call that has not been made yet. The last three are as in usage, as far as the router knows them."""

    provider: str
    model: str
    mode: Mode
    input_tokens: int
    units: Mapping[str, int | str] = {}
    attributes: Mapping[str, str] = {}
    own_key: bool = False


def rate_usage(usage: Usage, version: Version, log_time_ms: int, time: datetime | None = None) -> tuple[int, int]:
    """The provider's cost of one call and the customer's charge, in nanos.

    The prices are those of the call's own `time`, if the event has one. A call with the customer's own key at the
    provider costs us nothing, and is charged the book's share of what it would have cost. Raises Unpriced or
    CountsDoNotNest.
    """
    numerator, denominator = exact_cost(usage, version, log_time_ms, time)
    own_key = usage.own_key
    factor, whole = version.charged_share(usage.mode, own_key)
    cost = 0 if own_key else round_half_even(numerator, denominator)
    return cost, round_half_even(numerator * factor, denominator * whole)


def is_plausible(charge: int, version: Version) -> bool:
    """Whether one call may be charged as many nanos, before an operator has looked at it."""
    return charge <= version.usage_nanos_max


def is_kept_aside(usage: Usage, version: Version, log_time_ms: int, time: datetime | None) -> bool:
    """Whether usage that has an entry waits for an operator, or did."""
    try:
        return not is_plausible(rate_usage(usage, version, log_time_ms, time)[1], version)
    except Refused:
        return False


def exact_cost(usage: Usage, version: Version, log_time_ms: int, time: datetime | None) -> tuple[int, int]:
    """What the call costs at its provider, in nanos as a fraction: as the event says, or else the book; and its extra.

    Raises Unpriced or CountsDoNotNest.
    """
    if usage.provider_cost is not None:
        numerator, denominator = parse_attos(usage.provider_cost), ATTOS_PER_NANO
    else:
        tariff = tariff_of(usage, version, log_time_ms, time)
        numerator = tariff.cost(usage.input_tokens, usage.output_tokens, usage.units or {})
        denominator = tariff.denominator
    if usage.extra_cost is not None:
        numerator = numerator * ATTOS_PER_NANO + parse_attos(usage.extra_cost) * denominator
        denominator *= ATTOS_PER_NANO
    return numerator, denominator


def tariff_of(usage: Usage, version: Version, log_time_ms: int, time: datetime | None) -> Tariff:
    """What the book charges the call. Raises Unpriced."""
    price = version.prices.find(usage.provider, usage.model)
    if price is None:
        raise Unpriced(f"{usage.provider}/{usage.model}", field="data.model")
    if price.only is not None:
        return price.only
    return price.tariff(usage.input_tokens, usage.attributes or {}, log_time_ms if time is None else ms_of(time))


def miscounted(usage: Usage) -> str | None:
    """Which counts of an event do not nest, with their numbers; None if all do."""
    counts = {name: parse_count(name, count) for name, count in (usage.units or {}).items()}
    given = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, **counts}
    return broken_nesting(nestings_of(tuple(counts)), given)


class Estimate:
    """The charge of a call that has not been made yet, by its output tokens. Raises Unpriced or CountsDoNotNest."""

    def __init__(self, version: Version, call: Call, at_ms: int) -> None:
        price = version.prices.find(call.provider, call.model)
        if price is None:
            raise Unpriced(f"{call.provider}/{call.model}", field="model")
        self._call, self._share = call, version.charged_share(call.mode, call.own_key)
        self._tariff = price.only or price.tariff(call.input_tokens, call.attributes, at_ms)
        self._least = self._least_output() if call.units else 0
        # Whether more than model and mode decides what an output token costs.
        self.depends_on_the_call = call.own_key or price.only is None

    def charge(self, output_tokens: int) -> int:
        """In nanos, with so many output tokens, and never fewer than the parts of the output that the call names."""
        call, (factor, whole) = self._call, self._share
        tokens = max(output_tokens, self._least)
        return round_half_even(
            self._tariff.cost(call.input_tokens, tokens, call.units) * factor, self._tariff.denominator * whole
        )

    def affordable(self, nanos: int, at_most: int) -> int | None:
        """How many output tokens `nanos` pay for, at most `at_most`; None if they don't pay for the call without."""
        if self.charge(0) > nanos:
            return None
        # The first count that costs more, by bisection, because the charge of a count is rounded.
        return bisect_right(range(at_most + 1), nanos, key=self.charge) - 1

    def _least_output(self) -> int:
        """The fewest output tokens that the named parts of the output leave room for."""
        parts = {name: parse_count(name, count) for name, count in self._call.units.items()}
        sums = (narrow for narrow, wide in nestings_of(tuple(parts)) if wide == "output_tokens")
        return max((sum(parts[name] for name in narrow) for narrow in sums), default=0)


def rate_traces(beyond: int, version: Version) -> int:
    """The charge in nanos of `beyond` traces, none of which the package includes."""
    return round_half_even(beyond * version.trace_price_attos, ATTOS_PER_NANO)


def round_half_even(numerator: int, denominator: int) -> int:
    """The nearest integer of a ratio of non-negative integers, ties to the even one."""
    quotient, rest = divmod(numerator, denominator)
    double = rest + rest
    if double > denominator or (double == denominator and quotient & 1):
        return quotient + 1
    return quotient
