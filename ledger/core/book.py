"""A version of the book in the form that the fold reads: integers instead of text."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from ledger.core.calendar import ms_of
from ledger.core.price_list import PriceList
from schemas.book import BookVersion
from schemas.events import Mode
from schemas.money import ATTOS_PER_CREDIT, parse_attos, parse_nanos

FOREVER_MS = 2**62
_ONE = 10**18


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
    own_key_fee_attos: int
    prices: PriceList
    packages: dict[str, int]
    default_package: str
    trace_price_attos: int
    levels: tuple[LevelBound, ...]
    event_nanos_max: int
    usage_nanos_max: int
    top_up_nanos_min: int
    schema_versions: frozenset[int]
    keys: dict[str, tuple[int, int]]

    def charged_share(self, mode: Mode, own_key: bool | None) -> tuple[int, int]:
        """What is charged of a cost, as a fraction: the markup on top of it, or the fee of a customer's own key."""
        return (self.own_key_fee_attos, ATTOS_PER_CREDIT) if own_key else self.factors[mode]

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
        own_key_fee_attos=parse_attos(wire.own_key_fee),
        prices=PriceList(wire.prices, wire.provider_names or {}, wire.provider_fallbacks),
        packages={package.name: package.included_traces for package in wire.packages},
        default_package=wire.default_package,
        trace_price_attos=parse_attos(wire.trace_price),
        levels=tuple(sorted(LevelBound(parse_nanos(level.at_most), level.name) for level in wire.levels)),
        event_nanos_max=parse_nanos(wire.bounds.event_credits_max),
        usage_nanos_max=parse_nanos(wire.bounds.usage_credits_max),
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
