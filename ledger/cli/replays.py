"""`ledger rebuild`: the log folded again."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.shared import Json, failing_in_words
from ledger.settings import Settings

if TYPE_CHECKING:
    from projectors.rebuild import Difference, Rebuilt

app = typer.Typer()


@app.command(epilog="Example: ledger rebuild --yes --json")
def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before the views are dropped.")] = False,
    as_json: Json = False,
) -> None:
    """Drop the views, fold the whole log again, and compare every account with what stood before.

    The projectors must be stopped. The exit code is 1 if an account is not, byte for byte, what it was.
    """
    from ledger.cli.bars import Stages
    from projectors.rebuild import rebuild

    if not yes:
        typer.confirm("Drop the views and fold the whole log again?", abort=True, err=True)
    with failing_in_words(), Stages() as stages:
        rebuilt = rebuild(Settings(), stages)
    for line in _lines(rebuilt):
        typer.echo(line, err=as_json)
    if as_json:
        print(json.dumps(rebuilt.for_machines()))
    raise typer.Exit(1 if rebuilt.different else 0)


def _lines(rebuilt: "Rebuilt") -> list[str]:
    """For people."""
    took = f"{rebuilt.seconds:.1f} s ({rebuilt.records / rebuilt.seconds:,.0f}/s)"
    lines = [f"Folded {rebuilt.records:,} records again in {took}; {rebuilt.emitted:,} messages are new."]
    if rebuilt.lost:
        lines.append(f"{rebuilt.lost:,} records that were folded before are no longer on the log.")
    if not rebuilt.compared:
        return [*lines, f"{rebuilt.accounts:,} accounts; nothing stood before, so there is nothing to compare."]
    if rebuilt.not_compared:
        lines.append(f"Not compared, as only one version of the views has them: {', '.join(rebuilt.not_compared)}.")
    lines.append(f"{rebuilt.accounts:,} accounts: {rebuilt.equal:,} equal, {rebuilt.different:,} different.")
    return lines + [_line(each) for each in rebuilt.differences]


def _line(each: "Difference") -> str:
    rows = "" if each.rows_before == each.rows_now else f" ({each.rows_before:,} rows before, {each.rows_now:,} now)"
    return f"  {each.account_id}: {each.table}{rows}: {', '.join(each.columns)}"
