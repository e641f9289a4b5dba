"""What a model call or a trace costs: exact cost first, then markup and one rounding, in integers.

`charge = round_half_even(exact_cost × (1 + markup))` to one nano; `cost` is rounded the same way; the markup is the
difference.
"""

from bisect import bisect_right
from typing import NamedTuple

from ledger.core.book import TokenPrice, Version
from ledger.core.errors import CachedTokensExceedInput, Unpriced
from schemas.events import Mode, Usage
from schemas.money import ATTOS_PER_NANO, parse_attos


class Call(NamedTuple):
    """A model call that has not been made yet."""

    provider: str
    model: str
    mode: Mode
    input_tokens: int


def rate_usage(usage: Usage, version: Version) -> tuple[int, int]:
    """The provider's cost of one call and the customer's charge, in nanos.

    Raises Unpriced or CachedTokensExceedInput.
    """
    attos = _exact_cost(usage, version)
    numerator, denominator = version.factors[usage.mode]
    cost = round_half_even(attos, ATTOS_PER_NANO)
    return cost, round_half_even(attos * numerator, ATTOS_PER_NANO * denominator)


def estimate_usage(version: Version, call: Call, output_tokens: int) -> int:
    """The charge in nanos of a call that has not been made yet, with no cached tokens. Raises Unpriced."""
    price = _price(version, call.provider, call.model)
    numerator, denominator = version.factors[call.mode]
    attos = call.input_tokens * price.input + output_tokens * price.output
    return round_half_even(attos * numerator, ATTOS_PER_NANO * denominator)


def affordable_output(version: Version, call: Call, nanos: int, at_most: int) -> int | None:
    """How many output tokens `nanos` pay for, at most `at_most`; None if they don't pay for the input."""
    if estimate_usage(version, call, 0) > nanos:
        return None
    # The first count that costs more, by bisection, because the charge of a count is rounded.
    return bisect_right(range(at_most + 1), nanos, key=lambda tokens: estimate_usage(version, call, tokens)) - 1


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


def _exact_cost(usage: Usage, version: Version) -> int:
    """In attos. Cached and cache-write tokens are part of the input; each kind has its own price."""
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    if cached + written > usage.input_tokens:
        raise CachedTokensExceedInput(field="data.cached_input_tokens")
    if usage.provider_cost is not None:
        return parse_attos(usage.provider_cost)
    input_, output, cached_input, cache_write = _price(version, usage.provider, usage.model)
    attos = (usage.input_tokens - cached - written) * input_ + usage.output_tokens * output
    return attos + cached * cached_input + written * cache_write if cached or written else attos


def _price(version: Version, provider: str, model: str) -> TokenPrice:
    price = version.prices.get((provider, model))
    if price is None:
        raise Unpriced(f"{provider}/{model}", field="data.model")
    return price
