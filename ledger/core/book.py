"""A version of the book in the form that the fold reads: integers instead of text."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from ledger.core.calendar import ms_of
from schemas.book import BookVersion, Price
from schemas.money import parse_attos, parse_nanos

FOREVER_MS = 2**62
_ONE = 10**18
_ATTOS_PER_TOKEN = 10**6  # a price per million with 12 digits is whole in attos per token


class TokenPrice(NamedTuple):
    """Attos per token of one model."""

    input: int
    output: int
    cached_input: int
    cache_write: int


class LevelBound(NamedTuple):
    """A balance of at most `at_most` nanos is at level `name`."""

    at_most: int
    name: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the book, compiled. Markups are attos of the cost: 10¹⁸ is one hundred percent.

    `factors`: 1 + markup in lowest terms, which keeps the arithmetic of a charge within machine words.
    """

    number: int
    effective_from_ms: int
    rules: int
    markups: dict[str, int]
    factors: dict[str, tuple[int, int]]
    prices: dict[tuple[str, str], TokenPrice]
    packages: dict[str, int]
    default_package: str
    trace_price_attos: int
    levels: tuple[LevelBound, ...]
    event_nanos_max: int
    top_up_nanos_min: int
    schema_versions: frozenset[int]
    keys: dict[str, tuple[int, int]]

    def accepts_key(self, key_id: str, log_time_ms: int) -> bool:
        """Whether a signature by this key is accepted at that log time."""
        valid_from_ms, valid_until_ms = self.keys.get(key_id, (FOREVER_MS, 0))
        return valid_from_ms <= log_time_ms < valid_until_ms

    def level_of(self, balance: int) -> str:
        """The lowest level that the balance is at, or "ok"."""
        for at_most, name in self.levels:
            if balance <= at_most:
                return name
        return "ok"


def compiled(wire: BookVersion, effective_from_ms: int) -> Version:
    """A version of the book as integers, in force from `effective_from_ms`."""
    markups = {"auto": parse_attos(wire.markups.auto), "tier": parse_attos(wire.markups.tier)}
    return Version(
        number=wire.version,
        effective_from_ms=effective_from_ms,
        rules=wire.rules,
        markups=markups,
        factors={mode: Fraction(_ONE + markup, _ONE).as_integer_ratio() for mode, markup in markups.items()},
        prices={(price.provider, price.model): _token_price(price) for price in wire.prices},
        packages={package.name: package.included_traces for package in wire.packages},
        default_package=wire.default_package,
        trace_price_attos=parse_attos(wire.trace_price),
        levels=tuple(sorted(LevelBound(parse_nanos(level.at_most), level.name) for level in wire.levels)),
        event_nanos_max=parse_nanos(wire.bounds.event_credits_max),
        top_up_nanos_min=parse_nanos(wire.bounds.top_up_credits_min),
        schema_versions=frozenset(wire.schema_versions),
        keys={
            key.key_id: (
                ms_of(key.valid_from) if key.valid_from else 0,
                ms_of(key.valid_until) if key.valid_until else FOREVER_MS,
            )
            for key in wire.signing_keys
        },
    )


def _token_price(price: Price) -> TokenPrice:
    return TokenPrice(
        input=_per_token(price.input_per_million),
        output=_per_token(price.output_per_million),
        cached_input=_per_token(price.cached_input_per_million or price.input_per_million),
        cache_write=_per_token(price.cache_write_per_million or price.input_per_million),
    )


def _per_token(per_million: str) -> int:
    return parse_attos(per_million) // _ATTOS_PER_TOKEN
