"""What usage and traces cost, worked out without the ledger's rules: from the book's JSON, and by genai-prices."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

from genai_prices.data_units import unit_data
from genai_prices.types import ModelPrice, Tier, TieredPrices, TimeOfDateConstraint, Usage

NANOS = 10**9
_COMPACT_DATE = re.compile(r"-(20[0-9]{2})([0-9]{2})([0-9]{2})(?=-|:|$)")
_DIGITS = 60

Wire = dict[str, Any]


class IndependentPricing(NamedTuple):
    """The prices of a book version, as the JSON on the topic has them. `since_ms`: when it takes effect."""

    since_ms: int
    data: Wire

    def usage(self, data: Wire, at: datetime) -> int:
        """Nanos of a model call that happened then: exact cost × (1 + markup), rounded once, half to even."""
        stated = data.get("provider_cost")
        cost = Fraction(self._listed(data, at) if stated is None else stated) + Fraction(data.get("extra_cost") or 0)
        if data.get("own_key"):
            return round(cost * Fraction(self.data.get("own_key_fee", "0")) * NANOS)
        return round(cost * (1 + Fraction(self.data["markups"][data["mode"]])) * NANOS)

    def plausible(self) -> int:
        """The most nanos that one call is charged before an operator has accepted it."""
        return int(Fraction(self.data.get("bounds", {}).get("usage_credits_max", "500")) * NANOS)

    def traces(self, beyond: int) -> int:
        """Nanos of `beyond` traces beyond the included ones."""
        return round(beyond * Fraction(self.data["trace_price"]) * NANOS)

    def included(self, package: str) -> int:
        """The free traces of a month."""
        return int(next(each["included_traces"] for each in self.data["packages"] if each["name"] == package))

    def _listed(self, data: Wire, at: datetime) -> Decimal:
        price, attributes = self._price(data)
        rates = dict(price["rates"])
        for variant in price.get("variants", ()):
            if _holds(variant, attributes, at):
                rates |= variant["rates"]
        rates = {unit: rate for unit, rate in rates.items() if rate is not None}
        counts = {unit: Decimal(count) for unit, count in (data.get("units") or {}).items()}
        for unit, rate in rates.items():
            if isinstance(rate, dict) and rate.get("at_least") and counts.get(unit):
                counts[unit] = max(counts[unit], Decimal(rate["at_least"]))
        with localcontext() as context:
            context.prec = _DIGITS
            used = Usage(input_tokens=data["input_tokens"], output_tokens=data["output_tokens"], **counts)
            listed = ModelPrice(**{unit_data[unit]["price_key"]: _decimal(rate) for unit, rate in rates.items()})
            return listed.calc_price(used)["total_price"]

    def _price(self, data: Wire) -> tuple[Wire, dict[str, str]]:
        """The price, and the attributes by which it varies: another provider's price does not vary by any."""
        names, attributes = self.data.get("provider_names") or {}, data.get("attributes") or {}
        provider = str(names.get(data["provider"], data["provider"]))
        others = tuple((self.data.get("provider_fallbacks") or {}).get(provider, ()))
        for spelled in _spellings(data["model"], names, (provider, *others)):
            for seller in (provider, *others):
                price = self._sold(seller, spelled)
                if price is not None:
                    return price, attributes if seller == provider else {}
        raise LookupError(f"{data['provider']}/{data['model']} was charged, and the book has no price for it")

    def _sold(self, provider: str, model: str) -> Wire | None:
        own = [price for price in self.data["prices"] if price["provider"] == provider]
        exact = {name: price for price in own for name in (price["model"], *price.get("names", ()))}
        lower = {name.lower(): price for name, price in reversed(exact.items())}
        found = exact.get(model) or lower.get(model.lower())
        patterns = ((pattern, price) for price in own for pattern in price.get("patterns", ()))
        return found or next((price for pattern, price in patterns if re.fullmatch(pattern, model.lower())), None)


def _spellings(model: str, names: dict[str, str], sellers: tuple[str, ...]) -> Iterator[str]:
    prefix, slash, rest = model.partition("/")
    for name in [model, *([rest] if slash and names.get(prefix, prefix) in sellers else [])]:
        yield name
        yield _COMPACT_DATE.sub(_hyphenated, name)


def _hyphenated(found: re.Match[str]) -> str:
    try:
        return f"-{date(*map(int, found.groups()))}"
    except ValueError:
        return found.group()


def _holds(variant: Wire, attributes: dict[str, str], at: datetime) -> bool:
    since, until, hours, days = (variant.get(name) for name in ("since", "until", "hours", "weekdays"))
    start, end = (time.fromisoformat(hours[name]) for name in ("start", "end")) if hours else (None, None)
    return (
        (start is None or end is None or TimeOfDateConstraint(start, end).active(at))
        and (variant.get("attributes") or {}).items() <= attributes.items()
        and (not since or datetime.fromisoformat(since) <= at)
        and (not until or at < datetime.fromisoformat(until))
        and (not days or f"{at.astimezone(UTC):%A}".lower() in days)
    )


def _decimal(rate: str | Wire) -> Decimal | TieredPrices:
    if isinstance(rate, str):
        return Decimal(rate)
    tiers = [
        Tier(start=each["input_tokens"] - (each["reached"] == ">="), price=Decimal(each["price"]))
        for each in rate["thresholds"]
    ]
    return TieredPrices(base=Decimal(rate["price"]), tiers=tiers)
