"""The differences between two versions of the book, compared by meaning, not by spelling.

"0.10" and "0.1" are the same. Everything here is for people and for display.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

from ledger.core.book import FOREVER_MS, Version
from ledger.core.calendar import moment_of
from ledger.core.rating import round_half_even
from ledger.reports.price_text import NO_PRICE, price_text, rate_texts
from schemas.money import format_attos, format_nanos
from schemas.prices import Price

Model = tuple[str, str]


class Difference(NamedTuple):
    """One thing that differs. `before` None: added; `after` None: removed; `percent` of a price: "+10.00"."""

    part: str
    name: str
    before: str | None
    after: str | None
    percent: str | None = None


def changes(before: Version | None, after: Version) -> list[Difference]:
    """All differences, prices first; against None, everything is added."""
    found = _price_changes(_by_model(before), _by_model(after))
    for part, facts in PARTS.items():
        found += _differences(part, facts(before) if before else {}, facts(after))
    return found


def removed_models(before: Version | None, after: Version) -> list[Model]:
    """The provider and model of each price that is gone."""
    return sorted(_by_model(before).keys() - _by_model(after).keys())


def changed_prices(before: Version | None, after: Version) -> list[Price]:
    """The prices that are new, or not what they were."""
    old = _by_model(before)
    return [price for model, price in _by_model(after).items() if price != old.get(model)]


def summary(found: list[Difference]) -> str:
    """One sentence: "Prices: 2 up, 1 removed. Also changed: markups, levels." """
    counts = Counter(_direction(change) for change in found if change.part == "prices")
    prices = [
        f"{counts[direction]:,} {direction}" for direction in ("up", "down", "added", "removed") if counts[direction]
    ]
    others = list(dict.fromkeys(change.part for change in found if change.part != "prices"))
    sentences = [f"Prices: {', '.join(prices)}."] if prices else []
    if others:
        sentences.append(f"{'Also changed' if prices else 'Changed'}: {', '.join(others)}.")
    return " ".join(sentences) or "Nothing changes."


def _by_model(version: Version | None) -> dict[Model, Price]:
    prices = version.prices.prices if version else ()
    return {(price.wire.provider, price.wire.model): price.wire for price in prices}


def _price_changes(before: Mapping[Model, Price], after: Mapping[Model, Price]) -> list[Difference]:
    found = []
    for model in sorted(before.keys() | after.keys()):
        old, new, name = before.get(model), after.get(model), "/".join(model)
        if old and new:
            found += _changes_of_one_price(name, old, new)
        else:
            found.append(Difference("prices", name, price_text(old) if old else None, price_text(new) if new else None))
    return found


def _changes_of_one_price(name: str, before: Price, after: Price) -> list[Difference]:
    old, new = rate_texts(before), rate_texts(after)
    found = [
        Difference(
            "prices", f"{name} {field}", old.get(field), new.get(field), _percent(old.get(field), new.get(field))
        )
        for field in dict.fromkeys([*old, *new])
        if old.get(field) != new.get(field)
    ]
    for field in ("names", "patterns"):
        was, now = " ".join(getattr(before, field)), " ".join(getattr(after, field))
        if was != now:
            found.append(Difference("names", name, was, now))
    return found


def _percent(before: str | None, after: str | None) -> str | None:
    """The change in percent with two digits; None if there is no percentage, as from zero."""
    if before is None or after is None or NO_PRICE in (before, after) or Fraction(before) == 0:
        return None
    was, now = Fraction(before), Fraction(after)
    change = abs(now - was) * 10_000 / was
    hundredths = round_half_even(change.numerator, change.denominator)
    return f"{'+' if now > was else '-'}{hundredths // 100}.{hundredths % 100:02}"


def _direction(change: Difference) -> str:
    if change.before is None:
        return "added"
    if change.after is None:
        return "removed"
    return "down" if change.percent and change.percent.startswith("-") else "up"


def _differences(part: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    names = dict.fromkeys([*before, *after])
    return [
        Difference(part, name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _validity(valid_from_ms: int, valid_until_ms: int) -> str:
    since = moment_of(valid_from_ms).isoformat() if valid_from_ms else "the beginning"
    return f"from {since}" + (f" until {moment_of(valid_until_ms).isoformat()}" if valid_until_ms < FOREVER_MS else "")


# Every part of a version but its prices, as names and texts, in the order in which it is shown.
PARTS: dict[str, Callable[[Version], dict[str, str]]] = {
    "provider_names": lambda version: version.prices.providers,
    "provider_fallbacks": lambda version: {
        provider: ", ".join(others) for provider, others in version.prices.fallbacks.items()
    },
    "own_key_fee": lambda version: {"": format_attos(version.own_key_fee_attos)},
    "markups": lambda version: {mode: format_attos(markup) for mode, markup in version.markups.items()},
    "trace_price": lambda version: {"": format_attos(version.trace_price_attos)},
    "packages": lambda version: {name: f"{count} traces a month" for name, count in version.packages.items()},
    "default_package": lambda version: {"": version.default_package},
    "levels": lambda version: {level.name: f"at most {format_nanos(level.at_most)}" for level in version.levels},
    "bounds": lambda version: {
        "event_credits_max": format_nanos(version.event_nanos_max),
        "usage_credits_max": format_nanos(version.usage_nanos_max),
        "top_up_credits_min": format_nanos(version.top_up_nanos_min),
    },
    "schema_versions": lambda version: {"": ", ".join(map(str, sorted(version.schema_versions)))},
    "signing_keys": lambda version: {key_id: _validity(*validity) for key_id, validity in version.keys.items()},
    "rules": lambda version: {"": str(version.rules)},
}
