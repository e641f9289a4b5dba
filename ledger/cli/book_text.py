"""Versions of the book, their differences and imported prices, as text for people."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rich.console import Console

from ledger.cli.shared import table_of
from ledger.core.book import Version
from ledger.core.calendar import moment_of
from ledger.reports.book_diff import PARTS, Difference, summary
from ledger.reports.price_text import rate_texts

if TYPE_CHECKING:
    from ledger.list_prices import Remark
    from ledger.log.book_history import BookHistory
    from ledger.views.models_used import ModelUse


def print_version(console: Console, history: "BookHistory", version: Version, now_ms: int) -> None:
    """Prints a version without its prices, and the later versions that are already published."""
    following = history.published[version.number : version.number + 1]
    until = f" until {moment_text(following[0].version.effective_from_ms)}" if following else ""
    title = f"Version {version.number}, in force from {moment_text(version.effective_from_ms)}{until}"
    console.print(f"{title}: {len(version.prices.prices):,} prices.", highlight=False, soft_wrap=True)
    lines = [
        {"part": part, "name": name, "value": value}
        for part, facts in PARTS.items()
        for name, value in facts(version).items()
    ]
    console.print(table_of(lines, ("part", "name", "value")))
    for published in history.announced(now_ms):
        takes_effect = moment_text(published.version.effective_from_ms)
        console.print(f"Version {published.wire.version} takes effect at {takes_effect}.", highlight=False)


def print_prices(console: Console, version: Version, pattern: str) -> None:
    """Prints the prices whose provider/model matches a shell pattern, each for as many as its unit says."""
    lines = [
        {"model": model, "unit": unit, "price": text}
        for price in version.prices.prices
        if fnmatchcase(model := f"{price.wire.provider}/{price.wire.model}", pattern)
        for unit, text in rate_texts(price.wire).items()
    ]
    console.print(table_of(lines, ("model", "unit", "price")))


def print_changes(console: Console, found: Sequence[Difference]) -> None:
    """Prints the differences, as a sentence and as a table."""
    console.print(summary(list(found)), highlight=False, soft_wrap=True)
    if found:
        lines = [
            {
                "part": change.part,
                "name": change.name,
                "before": change.before or "",
                "after": change.after or "(removed)",
                "change": f"{change.percent} %" if change.percent else "",
            }
            for change in found
        ]
        console.print(table_of(lines, ("part", "name", "before", "after", "change")))


def print_uses(console: Console, used: Iterable["ModelUse"], days: int) -> None:
    """Prints a warning for each removed model that is in use."""
    for use in used:
        console.print(
            f"Warning: {use.provider}/{use.model} was used {use.requests:,} times in the last {days} days. Without a "
            "price, its usage without provider_cost becomes dead letters (unpriced).",
            highlight=False,
            soft_wrap=True,
        )


def print_remarks(console: Console, title: str, remarks: Sequence["Remark"]) -> None:
    """Prints remarks about models, one per line."""
    if remarks:
        console.print(f"\n{title}", highlight=False)
        lines = [{"model": f"{each.provider}/{each.model}", "says": each.says} for each in remarks]
        console.print(table_of(lines, ("model", "says")))


def moment_text(time_ms: int) -> str:
    """The time at which a version takes effect. The first version applies from the beginning."""
    return moment_of(time_ms).isoformat().replace("+00:00", "Z") if time_ms else "the beginning"
