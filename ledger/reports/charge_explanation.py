"""Why a call cost what it cost: the price lines of a charge, from the version of the book that its entry names."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple

from ledger.core.book import Version
from ledger.core.rating import round_half_even, tariff_of
from ledger.core.tariffs import PricedUnit
from schemas.events import Usage
from schemas.money import ATTOS_PER_NANO, format_attos
from schemas.prices import Threshold, Variant
from schemas.units import UNITS, count_text


class PriceLine(NamedTuple):
    """What a call counted of one unit, and no narrower one with a price, and what it cost in nanos, exactly."""

    unit: str
    counted: int
    priced: PricedUnit
    nanos: Fraction

    @property
    def quantity(self) -> str:
        """The count as text; of seconds with their fraction."""
        return count_text(self.unit, self.counted)

    @property
    def per(self) -> int:
        """How many the price is for."""
        return UNITS[self.unit].per

    @property
    def cost(self) -> str:
        """In credits, to 18 digits."""
        return attos_text(self.nanos.numerator, self.nanos.denominator)


def attos_text(numerator: int, denominator: int) -> str:
    """A fraction of nanos, in credits to 18 digits."""
    return format_attos(round_half_even(numerator * ATTOS_PER_NANO, denominator))


def price_lines(usage: Usage, version: Version, log_time_ms: int, time: datetime | None) -> tuple[PriceLine, ...]:
    """The lines that the book prices this call with; they add up to its exact cost by the book.

    Raises Unpriced or CountsDoNotNest.
    """
    tariff = tariff_of(usage, version, log_time_ms, time)
    billed = tariff.billed(usage.input_tokens, usage.output_tokens, usage.units or {})
    return tuple(PriceLine(unit, count, tariff.units[unit], nanos) for unit, count, nanos in billed)


def threshold_text(threshold: Threshold) -> str:
    """For people: "above 200,000 input tokens"."""
    return f"{'above' if threshold.reached == '>' else 'from'} {threshold.input_tokens:,} input tokens"


def variant_text(variant: Variant) -> str:
    """For people, the conditions: "service_tier=priority, 00:30 to 16:30 UTC"."""
    conditions = [f"{name}={value}" for name, value in (variant.attributes or {}).items()]
    if variant.since:
        conditions.append(f"from {_minute(variant.since)}")
    if variant.until:
        conditions.append(f"before {_minute(variant.until)}")
    if variant.hours:
        conditions.append(f"{variant.hours.start} to {variant.hours.end} UTC")
    if variant.weekdays:
        conditions.append("on " + ", ".join(variant.weekdays))
    return ", ".join(conditions)


def _minute(moment: datetime) -> str:
    """For people: "2026-12-01 00:00 UTC"."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M}{f':{utc:%S}' if utc.second else ''} UTC"
