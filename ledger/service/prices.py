"""Prices as text, by the version of the book that is in force."""

from datetime import UTC, datetime
from typing import NamedTuple

from ledger.core.book import Version
from ledger.core.calendar import moment_of, ms_of
from ledger.log.book import BookEmpty
from ledger.service.cursors import decode, encode, split
from ledger.service.resources import Resources
from schemas.http import Package, Prices
from schemas.money import format_attos, format_nanos
from schemas.prices import Price


class PriceFilter(NamedTuple):
    """Which prices: those of a provider, that of a model by any of its names, those whose names contain a text."""

    provider: str | None = None
    model: str | None = None
    search: str | None = None


def version_in_force(resources: Resources) -> Version:
    """The version of the book that prices usage now. Raises BookEmpty."""
    book = resources.book.last
    if not book.versions:
        raise BookEmpty()
    return book.at(ms_of(datetime.now(UTC)))


def prices(resources: Resources, wanted: PriceFilter, cursor: str | None, limit: int) -> Prices:
    """Markups, a page of the prices, trace price and packages. Raises BookEmpty, InvalidCursor."""
    version = version_in_force(resources)
    listed, following = page_of_prices(version, wanted, cursor, limit)
    return Prices(
        book_version=version.number,
        effective_from=moment_of(version.effective_from_ms) if version.effective_from_ms else None,
        markups={mode: format_attos(markup) for mode, markup in version.markups.items()},
        own_key_fee=format_attos(version.own_key_fee_attos),
        prices=listed,
        next_cursor=following,
        trace_price=format_attos(version.trace_price_attos),
        packages=[Package(name=name, included_traces=included) for name, included in version.packages.items()],
        default_package=version.default_package,
        top_up_credits_min=format_nanos(version.top_up_nanos_min),
    )


def page_of_prices(
    version: Version, wanted: PriceFilter, cursor: str | None, limit: int
) -> tuple[list[Price], str | None]:
    """Prices by provider and model, and the cursor of those that follow. Raises InvalidCursor."""
    after = decode(cursor) if cursor else ""
    found = sorted((wire for wire in _found(version, wanted) if _name(wire) > after), key=_name)
    listed, last = split(found, limit)
    return list(listed), encode(_name(last)) if last else None


def _found(version: Version, wanted: PriceFilter) -> list[Price]:
    if wanted.model is None:
        text = (wanted.search or "").lower()
        wires = (price.wire for price in version.prices.prices)
        return [
            wire
            for wire in wires
            if wanted.provider in (None, wire.provider)
            and (text in _name(wire).lower() or any(text in name.lower() for name in wire.names))
        ]
    providers = {price.wire.provider for price in version.prices.prices}
    named = [wanted.provider] if wanted.provider is not None else sorted(providers)
    prices = (version.prices.find(provider, wanted.model) for provider in named)
    return [price.wire for price in prices if price is not None]


def _name(wire: Price) -> str:
    return f"{wire.provider}/{wire.model}"
