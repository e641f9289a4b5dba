"""The proof at the end of a run: each record has an outcome, the trial balance is zero, each balance is recomputed."""

from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from ledger.dev.view_snapshot import ViewSnapshot
from ledger.dev.visibility import Percentiles
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.views.trial_balance import trial_balance

USAGE = "usage.recorded"
SHOWN_DIFFERENCES = 5


class Summary(NamedTuple):
    """Counts of this run only. `usage_events`: usage records on the log, with duplicates and dead letters."""

    usage_events: int
    entries: int
    duplicates: int
    purchases: int
    dead_letters: int
    triggers: int
    refused: int
    events_per_second: float
    visible_ms: Percentiles
    balances_exact: bool
    records: int
    posted: int
    all_duplicates: int
    forwarded: int
    rows: int
    trial_balance: dict[str, int]
    differences: tuple[str, ...]

    @property
    def accounted(self) -> bool:
        """Whether each record of the log has exactly one outcome, and each posted record exactly one row."""
        verdicts = self.posted + self.all_duplicates + self.dead_letters + self.forwarded
        return self.records == verdicts and self.rows == self.posted

    @property
    def proven(self) -> bool:
        """Whether all checks pass."""
        return self.accounted and self.balances_exact and not any(self.trial_balance.values())

    def json_fields(self) -> dict[str, object]:
        """The fields of the line of `--json`."""
        return {
            "usage_events": self.usage_events,
            "entries": self.entries,
            "duplicates": self.duplicates,
            "purchases": self.purchases,
            "dead_letters": self.dead_letters,
            "triggers": self.triggers,
            "refused": self.refused,
            "events_per_second": self.events_per_second,
            "visible_ms": self.visible_ms._asdict(),
            "balances_exact": self.balances_exact,
            "accounted": self.accounted,
            "trial_balance": self.trial_balance,
        }


class RunFigures(NamedTuple):
    """Figures that only the run itself knows."""

    records: int
    triggers: int
    refused: int
    events_per_second: float
    visible: Percentiles
    recomputed: Mapping[str, int]


def summarise(database: str, before: ViewSnapshot, after: ViewSnapshot, figures: RunFigures) -> Summary:
    """Compares the views at two moments with the run's figures and the recomputed balances."""
    differences = different_balances(figures.recomputed, after.balances)
    with connect(database, COMMAND) as connection:
        sums = trial_balance(connection).sums
    gained = {name: after.outcome(name, before) for name in ("posted", "duplicate", "dead_letter", "forwarded")}
    usage = {name: after.outcome(name, before, USAGE) for name in gained}
    return Summary(
        usage_events=usage["posted"] + usage["duplicate"] + usage["dead_letter"],
        entries=usage["posted"],
        duplicates=usage["duplicate"],
        purchases=after.outcome("posted", before, "credits.purchased"),
        dead_letters=gained["dead_letter"],
        triggers=figures.triggers,
        refused=figures.refused,
        events_per_second=round(figures.events_per_second, 1),
        visible_ms=figures.visible,
        balances_exact=not differences,
        records=figures.records,
        posted=gained["posted"],
        all_duplicates=gained["duplicate"],
        forwarded=gained["forwarded"],
        rows=after.entries - before.entries,
        trial_balance=sums,
        differences=tuple(differences),
    )


def different_balances(recomputed: Mapping[str, int], views: Mapping[str, int]) -> list[str]:
    """A sentence for each account whose balance is not the recomputed one."""
    return [
        f"{account}: the ledger says {views.get(account)} nanos, the log adds up to {recomputed.get(account)}"
        for account in sorted(recomputed.keys() | views.keys())
        if recomputed.get(account, 0) != views.get(account, 0)
    ]


def print_summary(console: Console, summary: Summary) -> None:
    """Prints the numbers, then what they prove."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_row(f"{summary.records:,}", "records on the log in this run")
    table.add_row(f"{summary.posted:,}", f"posted, {summary.rows:,} entries")
    table.add_row(f"{summary.all_duplicates:,}", "duplicates, counted once")
    table.add_row(f"{summary.dead_letters:,}", "dead letters, each with its reason")
    table.add_row(f"{summary.triggers:,}", f"auto top-ups triggered; {summary.purchases:,} purchases")
    table.add_row(f"{summary.refused:,}", "requests refused with 402")
    console.print()
    console.print(table)
    console.print()
    _verdict(console, summary.accounted, "entries = events: every record has one verdict, every posted one its row")
    _verdict(console, not any(summary.trial_balance.values()), f"trial balance {_sums(summary.trial_balance)}")
    _verdict(console, summary.balances_exact, "every balance equals an independent exact sum over the log")
    for difference in summary.differences[:SHOWN_DIFFERENCES]:
        console.print(f"  {difference}", style="red")


def _verdict(console: Console, holds: bool, what: str) -> None:
    console.print("[green]✔[/]" if holds else "[red]✘[/]", what)


def _sums(sums: dict[str, int]) -> str:
    return ", ".join(f"{total} {unit}" for unit, total in sums.items()) or "0"
