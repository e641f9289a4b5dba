"""`ledger rebuild`: folds the whole log again and compares the views."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, errors_as_messages, read_settings

if TYPE_CHECKING:
    from projectors.rebuild import Difference, Rebuilt

app = typer.Typer()


@app.command(epilog="Example: ledger rebuild --yes --json")
def rebuild(
    yes: Yes = False,
    lose: Annotated[
        int | None,
        typer.Option(min=0, help="Rebuild although the log lacks exactly this number of the views' records."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fold the whole log again into new views, and compare every account with the views before.

    Stop the projectors first. If the log lacks records that the views have, the command refuses and changes nothing.
    The exit code is 1 if an account is not byte for byte the same.
    """
    from ledger.cli.progress_bars import ProgressBars
    from projectors.rebuild import rebuild

    with errors_as_messages():
        confirm("Drop the views and fold the whole log again?", yes=yes)
        with ProgressBars() as bars:
            rebuilt = rebuild(read_settings(), bars, lose)
    for line in lines_of(rebuilt):
        typer.echo(line, err=as_json)
    if as_json:
        print(json.dumps(rebuilt.json_fields()))
    raise typer.Exit(1 if rebuilt.different else 0)


def lines_of(rebuilt: "Rebuilt") -> list[str]:
    """The result, for people."""
    took = f"{rebuilt.seconds:.1f} s ({rebuilt.records / rebuilt.seconds:,.0f}/s)"
    lines = [f"Folded {rebuilt.records:,} records again in {took}; {rebuilt.emitted:,} new messages."]
    if rebuilt.lost:
        lines.append(f"{rebuilt.lost:,} records that were folded before are no longer on the log.")
    if not rebuilt.compared:
        return [*lines, f"{rebuilt.accounts:,} accounts; there were no views before, so nothing was compared."]
    if rebuilt.not_compared:
        lines.append(
            f"Not compared, because only the old or only the new views have them: {', '.join(rebuilt.not_compared)}."
        )
    lines.append(f"{rebuilt.accounts:,} accounts: {rebuilt.equal:,} equal, {rebuilt.different:,} different.")
    return lines + [_line(each) for each in rebuilt.differences]


def _line(each: "Difference") -> str:
    what = ", ".join(each.columns)
    if each.rows_before != each.rows_now:  # then every column differs
        what = f"{each.rows_before:,} rows before, {each.rows_now:,} now"
    return f"  {each.account_id}: {each.table}: {what}"
