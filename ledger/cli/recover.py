"""`ledger recover`: puts back on the log what it has lost."""

import json
from typing import Annotated

import typer

from ledger.cli import rebuild
from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, errors_as_messages, read_settings

app = typer.Typer()


@app.command(epilog="Example: ledger recover --dry-run")
def recover(
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is missing, and change nothing.")] = False,
    leave_out: Annotated[
        int, typer.Option(min=0, help="Continue although exactly this number of entries can't be recovered.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Append to the log the events that it has lost and Postgres still has, and accept the topics.

    It shows what is missing, then asks. Stop projectors and consumers first. Afterwards the log is folded again; the
    exit code is 1 if an account is not the same as before.
    """
    from ledger.cli.progress_bars import ProgressBars
    from ledger.cli.recover_text import DryRun, NotAllRecoverable, done_lines, lines_of, plan_json
    from projectors.recover import recover
    from projectors.recovery_plan import RecoveryPlan

    def agree(plan: RecoveryPlan) -> None:
        bars.pause()
        for line in lines_of(plan):
            typer.echo(line, err=as_json)
        if as_json:
            print(json.dumps(plan_json(plan)))
        if dry_run:
            raise DryRun
        if len(plan.unrecoverable) != leave_out:
            raise NotAllRecoverable(str(len(plan.unrecoverable)))
        confirm("Append all of this to the log, and accept its topics?", yes=yes)
        bars.resume()

    bars = ProgressBars()
    with errors_as_messages():
        try:
            with bars:
                recovered = recover(read_settings(), bars, agree)
        except DryRun:
            return
    for line in done_lines(recovered):
        typer.echo(line, err=as_json)
    if recovered is None or recovered.rebuilt is None:
        return
    for line in rebuild.lines_of(recovered.rebuilt):
        typer.echo(line, err=as_json)
    if as_json:
        print(json.dumps({"recovered": recovered.records, **recovered.rebuilt.json_fields()}))
    raise typer.Exit(1 if recovered.rebuilt.different else 0)
