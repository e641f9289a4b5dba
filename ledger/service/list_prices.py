"""Providers' list prices for the book: import them into a version, or see whether they moved since one was made."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from ledger.core.book import compiled
from ledger.list_prices import NothingToImport, Remark, catalogue, list_prices, refreshed, source, with_prices
from ledger.reports.book_diff import Difference, changes
from ledger.reports.price_warnings import PriceWarning, absurd_prices
from schemas.book import BookVersion


class Imported(NamedTuple):
    """A version with list prices. `warnings`: imported prices that are absurd beside others of the list."""

    version: BookVersion
    prices: int
    remarks: list[Remark]
    warnings: list[PriceWarning]
    skipped: list[Remark]


class Moved(NamedTuple):
    """A version with the list's prices of today, and how they differ. `unlisted`: its models that the list lacks."""

    version: BookVersion
    compared: int
    differences: list[Difference]
    unlisted: list[str]


def imported(base: BookVersion, providers: Sequence[str], pattern: str, day: date, *, replace: bool) -> Imported:
    """A version with the prices of these providers' models, or of all. Raises UnknownListProvider, NothingToImport."""
    chosen = catalogue(providers)
    found = list_prices(chosen, pattern)
    if not found.prices:
        raise NothingToImport(pattern, field="--model")
    among = found.prices if pattern == "*" else list_prices(chosen, "*").prices
    version = with_prices(base, found.prices, replace=replace).model_copy(update={"note": source(day)})
    return Imported(version, len(found.prices), found.remarks, absurd_prices(found.prices, among), found.skipped)


def moved(base: BookVersion, providers: Sequence[str], pattern: str) -> Moved:
    """What the list's prices of today would change in a version's. Raises UnknownListProvider."""
    now = refreshed(base, catalogue(providers), pattern)
    return Moved(now.version, now.compared, changes(compiled(base, 0), compiled(now.version, 0)), now.unlisted)
