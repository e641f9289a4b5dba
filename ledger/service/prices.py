"""Prices as text, by the version of the book that is in force."""

from datetime import UTC, datetime

from ledger.core.book import Version
from ledger.core.calendar import moment_of, ms_of
from ledger.log.book import BookEmpty
from ledger.service.resources import Resources
from schemas.http import Package, Prices
from schemas.money import format_attos, format_nanos


def version_in_force(resources: Resources) -> Version:
    """The version of the book that prices usage now. Raises BookEmpty."""
    book = resources.book.last
    if not book.versions:
        raise BookEmpty()
    return book.at(ms_of(datetime.now(UTC)))


def prices(resources: Resources) -> Prices:
    """Markups, prices of models, trace price and packages. Raises BookEmpty."""
    version = version_in_force(resources)
    return Prices(
        book_version=version.number,
        effective_from=moment_of(version.effective_from_ms) if version.effective_from_ms else None,
        markups={mode: format_attos(markup) for mode, markup in version.markups.items()},
        prices=[price.wire for price in version.prices.prices],
        trace_price=format_attos(version.trace_price_attos),
        packages=[Package(name=name, included_traces=included) for name, included in version.packages.items()],
        default_package=version.default_package,
        top_up_credits_min=format_nanos(version.top_up_nanos_min),
    )
