"""Why a call cost what it cost: the price lines of a charge, from the version of the book that its entry names."""

from typing import Literal, NamedTuple

from ledger.core.book import Version
from schemas.events import Usage


class PriceLine(NamedTuple):
    """Tokens of one kind, and the price of each in attos."""

    item: Literal["input", "cached_input", "cache_write", "output"]
    tokens: int
    attos_per_token: int

    @property
    def attos(self) -> int:
        """The exact cost of this line."""
        return self.tokens * self.attos_per_token


def price_lines(usage: Usage, version: Version) -> tuple[PriceLine, ...]:
    """The lines that the book prices this call with; they add up to its exact cost.

    There are none when the event brought its own cost.
    """
    if usage.provider_cost is not None:
        return ()
    price = version.prices[usage.provider, usage.model]
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    lines = (
        PriceLine("input", usage.input_tokens - cached - written, price.input),
        PriceLine("cached_input", cached, price.cached_input),
        PriceLine("cache_write", written, price.cache_write),
        PriceLine("output", usage.output_tokens, price.output),
    )
    return tuple(line for line in lines if line.tokens)
