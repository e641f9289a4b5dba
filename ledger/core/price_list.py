"""The prices of one version of the book: which one a call has, by its model's name and by what it was served as."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence

from ledger.core.calendar import DAY_MS, ms_of
from ledger.core.errors import Unpriced
from ledger.core.model_names import spellings
from ledger.core.tariffs import PricedUnit, Tariff
from schemas.prices import Hours, Price, Rate, Variant, gap_in, overlaid

_NAMES_MAX = 10_000  # that were not listed and are remembered, because usage has them again and again
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SECOND_MS = 1_000


class ModelPrice:
    """One price of the book. Its tariffs are compiled when they are first needed.

    `only`: the tariff of every call; None if calls have different ones.
    """

    def __init__(self, wire: Price) -> None:
        self.wire = wire
        self._active: list[Callable[[Mapping[str, str], int], bool]] = [_condition(each) for each in wire.variants]
        self._firsts = sorted({first for rate in _all_rates(wire) for first in _firsts(rate)})
        self._tariffs: dict[tuple[tuple[bool, ...], int], Tariff] = {}
        plain = not self._active and not self._firsts
        self.only: Tariff | None = self.tariff(0, {}, 0) if plain else None

    def tariff(self, input_tokens: int, attributes: Mapping[str, str], at_ms: int) -> Tariff:
        """What a call pays that has so many input tokens, was served so, and happened at that time. Raises Unpriced."""
        active = self.active(attributes, at_ms)
        key = active, bisect_right(self._firsts, input_tokens)
        found = self._tariffs.get(key)
        if found is None:
            found = self._tariffs.setdefault(key, self._compiled(active, input_tokens))
        return found

    def active(self, attributes: Mapping[str, str], at_ms: int) -> tuple[bool, ...]:
        """Of each variant, whether calls have its prices that were served so, at that time."""
        return tuple(condition(attributes, at_ms) for condition in self._active)

    def rates_at(self, at_ms: int) -> dict[str, str | Rate]:
        """The rates, with their thresholds, of calls at that time that were served as usual."""
        return self._overlaid(self.active({}, at_ms))[0]

    def _overlaid(self, active: tuple[bool, ...]) -> tuple[dict[str, str | Rate], dict[str, Variant]]:
        """The rates by unit, and the variants that some are from."""
        rates, origins = dict(self.wire.rates), dict[str, Variant]()
        for variant, holds in zip(self.wire.variants, active, strict=True):
            if holds:
                rates = overlaid(rates, variant.rates)
                origins.update(dict.fromkeys(variant.rates, variant))
        return rates, origins

    def _compiled(self, active: tuple[bool, ...], input_tokens: int) -> Tariff:
        rates, origins = self._overlaid(active)
        gap = gap_in(rates)
        if gap is not None:
            raise Unpriced(f"{self.wire.provider}/{self.wire.model}: {gap}", field="data.attributes")
        return Tariff({unit: _priced(rate, input_tokens, origins.get(unit)) for unit, rate in rates.items()})


class PriceList:
    """All prices of a version, by the names that usage may have.

    `providers`: other names of providers. `fallbacks`: by provider the others whose models it sells at their prices.
    """

    def __init__(
        self,
        prices: Iterable[Price],
        providers: Mapping[str, str],
        fallbacks: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.prices = tuple(ModelPrice(price) for price in prices)
        self.providers = dict(providers)
        self.fallbacks = {provider: tuple(others) for provider, others in (fallbacks or {}).items()}
        self._patterns: dict[str, list[tuple[re.Pattern[str], ModelPrice]]] = {}
        self._names: dict[tuple[str, str], ModelPrice] = {}
        self._found: dict[tuple[str, str], ModelPrice | None] = {}
        for price in self.prices:
            for name in (price.wire.model, *price.wire.names):
                self._names.setdefault((price.wire.provider, name.lower()), price)
        for price in self.prices:
            for name in (price.wire.model, *price.wire.names):
                self._names[price.wire.provider, name] = price

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PriceList):
            return NotImplemented
        return self._content() == other._content()

    __hash__ = None  # type: ignore[assignment]

    def find(self, provider: str, model: str) -> ModelPrice | None:
        """The price of a model by any of its names; None if the list has none.

        An exact name goes before a pattern, and the first pattern of the list before the others.
        """
        key = provider, model
        price = self._names.get(key)
        if price is not None:
            return price
        if key in self._found:
            return self._found[key]
        if len(self._found) >= _NAMES_MAX:
            self._found.clear()
        self._found[key] = found = self._search(self._provider(provider), model)
        return found

    def _content(self) -> tuple[object, ...]:
        """The prices, the order of those that have patterns, where it matters, and the names of providers."""
        wires = {(price.wire.provider, price.wire.model): price.wire for price in self.prices}
        return wires, [model for model, wire in wires.items() if wire.patterns], self.providers, self.fallbacks

    def _provider(self, name: str) -> str:
        return self.providers.get(name, name)

    def _search(self, provider: str, model: str) -> ModelPrice | None:
        others = self.fallbacks.get(provider, ())
        for name in spellings(model, lambda prefix: self._provider(prefix) in (provider, *others)):
            found = self._listed(provider, name)
            if found is not None:
                return found
            for other in others:
                found = self._listed(other, name)
                if found is not None:
                    return _without_attributes(found)
        return None

    def _listed(self, provider: str, model: str) -> ModelPrice | None:
        name = model.lower()
        listed = self._names.get((provider, model)) or self._names.get((provider, name))
        if listed is not None:
            return listed
        return next((price for pattern, price in self._patterns_of(provider) if pattern.fullmatch(name)), None)

    def _patterns_of(self, provider: str) -> list[tuple[re.Pattern[str], ModelPrice]]:
        """Compiled when usage first has a name of the provider that is not listed, since most have no such usage."""
        found = self._patterns.get(provider)
        if found is None:
            prices = (price for price in self.prices if price.wire.provider == provider)
            found = [(re.compile(pattern), price) for price in prices for pattern in price.wire.patterns]
            self._patterns[provider] = found
        return found


def _without_attributes(price: ModelPrice) -> ModelPrice:
    """The price of a model at another provider: that one's service tiers and batches say nothing about this one's."""
    variants = tuple(variant for variant in price.wire.variants if not variant.attributes)
    return ModelPrice(price.wire.model_copy(update={"variants": variants}))


def _all_rates(wire: Price) -> Iterable[str | Rate | None]:
    yield from wire.rates.values()
    for variant in wire.variants:
        yield from variant.rates.values()


def _firsts(rate: str | Rate | None) -> list[int]:
    return [threshold.first for threshold in rate.thresholds] if isinstance(rate, Rate) else []


def _priced(rate: str | Rate, input_tokens: int, variant: Variant | None) -> PricedUnit:
    if isinstance(rate, str):
        return PricedUnit(rate, None, variant)
    reached = [threshold for threshold in rate.thresholds if threshold.first <= input_tokens]
    if not reached:
        return PricedUnit(rate.price, None, variant, rate.at_least)
    return PricedUnit(reached[-1].price, reached[-1], variant, rate.at_least)


def _condition(variant: Variant) -> Callable[[Mapping[str, str], int], bool]:
    """Whether a call with these attributes, at this time, has the variant's prices."""
    since_ms = ms_of(variant.since) if variant.since else None
    until_ms = ms_of(variant.until) if variant.until else None
    weekdays = {_WEEKDAYS.index(day) for day in variant.weekdays}
    in_hours = _in_hours(variant.hours)
    wanted = (variant.attributes or {}).items()

    def holds(attributes: Mapping[str, str], at_ms: int) -> bool:
        return (
            all(attributes.get(name) == value for name, value in wanted)
            and (since_ms is None or at_ms >= since_ms)
            and (until_ms is None or at_ms < until_ms)
            and (not weekdays or (at_ms // DAY_MS + 3) % 7 in weekdays)  # 1970 began on a Thursday
            and in_hours(at_ms % DAY_MS)
        )

    return holds


def _in_hours(hours: Hours | None) -> Callable[[int], bool]:
    if hours is None:
        return lambda ms_of_day: True
    start, end = _ms_of_day(hours.start), _ms_of_day(hours.end)
    if end < start:
        return lambda ms_of_day: ms_of_day >= start or ms_of_day < end
    return lambda ms_of_day: start <= ms_of_day < end


def _ms_of_day(time: str) -> int:
    hour, minute, second = (*map(int, time.split(":")), 0)[:3]
    return ((hour * 60 + minute) * 60 + second) * _SECOND_MS
