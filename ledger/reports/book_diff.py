"""The differences between two versions of the book, compared by meaning, not by spelling.

"0.10" and "0.1" are the same, and so is a price for cached input that is absent and one that equals the input price.
Everything here is for people and for display.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ledger.core.book import FOREVER_MS, TokenPrice, Version
from ledger.core.calendar import moment_of
from ledger.core.rating import round_half_even
from schemas.money import format_attos, format_nanos

Model = tuple[str, str]
_MILLION = 10**6


class Difference(NamedTuple):
    """One thing that differs. `before` None: added; `after` None: removed; `percent` of a price: "+10.00"."""

    part: str
    name: str
    before: str | None
    after: str | None
    percent: str | None = None


def changes(before: Version | None, after: Version) -> list[Difference]:
    """All differences, prices first; against None, everything is added."""
    found = _price_changes(before.prices if before else {}, after.prices)
    for part, facts in PARTS.items():
        found += _differences(part, facts(before) if before else {}, facts(after))
    return found


def removed_models(before: Version | None, after: Version) -> list[Model]:
    """The provider and model of each price that is gone."""
    return sorted(before.prices.keys() - after.prices.keys()) if before else []


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


def price_text(price: TokenPrice) -> str:
    """All four prices of a model, per million tokens."""
    return ", ".join(f"{name} {per_million(value)}" for name, value in price._asdict().items())


def per_million(attos: int) -> str:
    """The decimal text of attos per token as credits per million tokens."""
    return format_attos(attos * _MILLION)


def _price_changes(before: Mapping[Model, TokenPrice], after: Mapping[Model, TokenPrice]) -> list[Difference]:
    found = []
    for model in sorted(before.keys() | after.keys()):
        old, new, name = before.get(model), after.get(model), "/".join(model)
        if old and new:
            found += _changes_of_one_price(name, old, new)
        else:
            found.append(Difference("prices", name, old and price_text(old), new and price_text(new)))
    return found


def _changes_of_one_price(name: str, before: TokenPrice, after: TokenPrice) -> list[Difference]:
    return [
        Difference("prices", f"{name} {field}", per_million(old), per_million(new), _percent(old, new))
        for field, old, new in zip(TokenPrice._fields, before, after, strict=True)
        if old != new
    ]


def _percent(before: int, after: int) -> str | None:
    """The change in percent with two digits; None if the price was zero, from which there is no percentage."""
    if before == 0:
        return None
    hundredths = round_half_even(abs(after - before) * 10_000, before)
    return f"{'+' if after > before else '-'}{hundredths // 100}.{hundredths % 100:02}"


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
    "markups": lambda version: {mode: format_attos(markup) for mode, markup in version.markups.items()},
    "trace_price": lambda version: {"": format_attos(version.trace_price_attos)},
    "packages": lambda version: {name: f"{count} traces a month" for name, count in version.packages.items()},
    "default_package": lambda version: {"": version.default_package},
    "levels": lambda version: {level.name: f"at most {format_nanos(level.at_most)}" for level in version.levels},
    "bounds": lambda version: {
        "event_credits_max": format_nanos(version.event_nanos_max),
        "top_up_credits_min": format_nanos(version.top_up_nanos_min),
    },
    "schema_versions": lambda version: {"": ", ".join(map(str, sorted(version.schema_versions)))},
    "signing_keys": lambda version: {key_id: _validity(*validity) for key_id, validity in version.keys.items()},
    "rules": lambda version: {"": str(version.rules)},
}
