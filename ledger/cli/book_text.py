"""Versions of the book, their differences and imported prices, as text for people."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ledger.cli.shared import table_of
from ledger.core.book import FOREVER_MS, Version
from ledger.core.calendar import moment_of
from ledger.reports.book_diff import PARTS, Difference, summary
from ledger.reports.price_text import rate_texts

if TYPE_CHECKING:
    from ledger.list_prices import Remark
    from ledger.log.book_history import BookHistory
    from ledger.reports.book_overtaking import TakeOver
    from ledger.views.models_used import ModelUse


def print_version(console: Console, history: "BookHistory", version: Version, now_ms: int) -> None:
    """Prints a version without its prices, and the versions that are announced."""
    title = f"Version {version.number}, {_when(history, version.number, now_ms)}"
    console.print(f"{title}: {len(version.prices.prices):,} prices.", highlight=False, soft_wrap=True)
    lines = [
        {"part": part, "name": name, "value": value}
        for part, facts in PARTS.items()
        for name, value in facts(version).items()
    ]
    console.print(table_of(lines, ("part", "name", "value")))
    for announced in history.announced(now_ms):
        takes_effect = moment_text(announced.effective_from_ms)
        console.print(f"Version {announced.number} takes effect at {takes_effect}.", highlight=False)


def version_lines(history: "BookHistory", now_ms: int) -> list[dict[str, Any]]:
    """All versions and what each of them is now, as fields of a table; absent times are None."""
    return [_version_line(history, number, now_ms) for number in range(1, history.next_number)]


def _version_line(history: "BookHistory", number: int, now_ms: int) -> dict[str, Any]:
    published, state = history.numbered(number), history.book.state_of(number, now_ms)
    was_or_will_be = state not in ("withdrawn", "replaced")
    until_ms = history.book.until_ms(number) if was_or_will_be else FOREVER_MS
    return {
        "version": number,
        "state": state,
        "from": moment_text(published.version.effective_from_ms),
        "until": moment_text(until_ms) if until_ms < FOREVER_MS else None,
        "published": moment_text(published.appended_ms),
    }


def _when(history: "BookHistory", number: int, now_ms: int) -> str:
    """When a version is in force, or why it never is."""
    line = _version_line(history, number, now_ms)
    match line["state"]:
        case "withdrawn":
            return "withdrawn"
        case "replaced":
            return f"replaced by another version for {line['from']}"
    until = f" until {line['until']}" if line["until"] else ""
    return f"in force from {line['from']}{until}"


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


def print_take_over(console: Console, found: "TakeOver") -> None:
    """Prints when an announced version takes over, and what it and the new version would lose."""
    moment = moment_text(found.effective_from_ms)
    says = "and undoes a part of this one:" if found.undone else "and keeps these changes."
    console.print(f"Version {found.version} takes over at {moment} {says}", highlight=False, soft_wrap=True)
    _print_both(console, found.version, found.undone)
    if found.keys:
        says = f"Signing keys stay as in this version, so these of version {found.version} would not count:"
        console.print(says, highlight=False, soft_wrap=True)
        _print_both(console, found.version, found.keys)


def _print_both(console: Console, number: int, found: Sequence[Difference]) -> None:
    """Prints what two versions have of the same, side by side."""
    if found:
        this, other = "this version", f"version {number}"
        lines = [
            {
                "part": change.part,
                "name": change.name,
                this: change.before or "(none)",
                other: change.after or "(none)",
            }
            for change in found
        ]
        console.print(table_of(lines, ("part", "name", this, other)))


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
