"""Versions of the book, their differences and imported prices, as text for people."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ledger.cli.shared import table_of
from ledger.core.book import FOREVER_MS, Version
from ledger.core.calendar import moment_of
from ledger.reports.book_diff import PARTS, Difference, summary
from ledger.reports.price_text import BETWEEN, name_texts, rate_texts

if TYPE_CHECKING:
    from ledger.list_prices import Remark
    from ledger.log.book_history import BookHistory
    from ledger.reports.book_overtaking import TakeOver
    from ledger.reports.price_warnings import PriceWarning
    from ledger.service.list_prices import Imported, Moved
    from ledger.views.models_used import ModelUse


PRICES = ("prices", "names")
_PRICES_SHOWN = 100  # of a version with thousands
_NAMES_SHOWN = 5  # of models with the same remark
_RATES_SHOWN = 6  # of a price that is added or removed
_CHANGES_SHOWN = 12  # of one price


def print_version(console: Console, history: "BookHistory", version: Version, now_ms: int) -> None:
    """Prints a version without its prices, and the versions that are announced."""
    title = f"Version {version.number}, {_when(history, version.number, now_ms)}"
    console.print(f"{title}: {len(version.prices.prices):,} prices.", highlight=False, soft_wrap=True)
    note = history.numbered(version.number).wire.note
    if note:
        console.print(f"{note}.", highlight=False, markup=False, soft_wrap=True)
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
    lines = []
    for price in version.prices.prices:
        model = f"{price.wire.provider}/{price.wire.model}"
        if fnmatchcase(model, pattern):
            rows = [*rate_texts(price.wire).items(), *name_texts(price.wire).items()]
            # The model is named once, so that one sees where the next one begins.
            lines += [
                {"model": "" if row else model, "unit": unit, "price": text} for row, (unit, text) in enumerate(rows)
            ]
    console.print(table_of(lines, ("model", "unit", "price")))


def print_changes(console: Console, found: Sequence[Difference]) -> None:
    """Prints the differences, as a sentence and as a table; of many prices the first ones, and how many more."""
    console.print(summary(list(found)), highlight=False, soft_wrap=True)
    if not found:
        return
    shown, hidden = _shortened(found)
    lines = [
        {
            "part": change.part,
            "name": change.name,
            "before": _few(change.before or ""),
            "after": _few(change.after) if change.after is not None else "(removed)",
            "change": f"{change.percent} %" if change.percent else "",
        }
        for change in shown
    ]
    console.print(table_of(lines, ("part", "name", "before", "after", "change")))
    for sentence in hidden:
        console.print(sentence, highlight=False, soft_wrap=True)
    if hidden:
        console.print("--json shows all.", highlight=False)


def _shortened(found: Sequence[Difference]) -> tuple[list[Difference], list[str]]:
    """The differences to show, and sentences about the others."""
    by_model: dict[str, list[Difference]] = {}
    for change in found:
        if change.part in PRICES:
            by_model.setdefault(change.name.split(" ")[0], []).append(change)
    models = list(by_model)[:_PRICES_SHOWN]
    shown = [change for model in models for change in by_model[model][:_CHANGES_SHOWN]]
    hidden = [
        f"{model}: {len(by_model[model]) - _CHANGES_SHOWN:,} more changes."
        for model in models
        if len(by_model[model]) > _CHANGES_SHOWN
    ]
    if len(by_model) > len(models):
        hidden.append(f"{len(by_model) - len(models):,} more models.")
    return [*shown, *(change for change in found if change.part not in PRICES)], hidden


def _few(text: str) -> str:
    """A price with many rates, shortened."""
    rates = text.split(BETWEEN)
    more = len(rates) - _RATES_SHOWN
    return text if more <= 0 else f"{BETWEEN.join(rates[:_RATES_SHOWN])}; and {more} more prices"


def print_warnings(console: Console, warnings: Iterable["PriceWarning"]) -> None:
    """Prints what is absurd about new prices."""
    for each in warnings:
        console.print(
            f"Warning: {each.provider}/{each.model}: {each.says}.", highlight=False, markup=False, soft_wrap=True
        )


def print_imported(console: Console, found: "Imported") -> None:
    """Prints what was imported, what of it needs a look, and what was skipped."""
    _print_remarks(console, f"Imported, with {len(found.remarks):,} remarks:", found.remarks)
    _print_remarks(console, f"Imported, with {len(found.warnings):,} warnings:", found.warnings)
    _print_remarks(console, f"Skipped, {len(found.skipped):,} models:", found.skipped)
    console.print(f"\n{found.prices:,} prices imported; {len(found.skipped):,} models skipped.", highlight=False)


def print_moved(console: Console, found: "Moved") -> None:
    """Prints how list prices differ from those of a version."""
    if found.differences:
        console.print("List prices moved.", highlight=False)
        print_changes(console, found.differences)
    else:
        console.print(f"List prices have not moved; {found.compared:,} models compared.", highlight=False)
    if found.unlisted:
        names = _several(found.unlisted)
        console.print(f"Not on the list, or without a price there: {names}.", highlight=False, soft_wrap=True)


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


def _print_remarks(console: Console, title: str, remarks: Sequence["Remark | PriceWarning"]) -> None:
    """Prints remarks about models, one per line; models with the same remark together."""
    if not remarks:
        return
    console.print(f"\n{title}", highlight=False)
    by_text: dict[str, list[str]] = {}
    for each in remarks:
        by_text.setdefault(each.says, []).append(f"{each.provider}/{each.model}")
    lines = [{"model": _several(models), "says": says} for says, models in by_text.items()]
    console.print(table_of(lines, ("model", "says")))


def _several(models: Sequence[str]) -> str:
    more = len(models) - _NAMES_SHOWN
    return ", ".join(models[:_NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def moment_text(time_ms: int) -> str:
    """The time at which a version takes effect. The first version applies from the beginning."""
    return moment_of(time_ms).isoformat().replace("+00:00", "Z") if time_ms else "the beginning"
