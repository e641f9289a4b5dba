"""`ledger trial-balance`: shows that the ledger is balanced."""

import json

import typer

from ledger.cli.shared import Json, console, errors_as_messages, read_settings, table_of

app = typer.Typer()


@app.command("trial-balance", epilog="Example: ledger trial-balance --json")
def trial_balance(as_json: Json = False) -> None:
    """Show the total of every posting account: credits, and minor units of each currency.

    Each unit must sum to zero; the exit code is 1 if one does not.
    """
    from ledger.postgres.connections import connect
    from ledger.postgres.kinds import COMMAND
    from ledger.views.trial_balance import trial_balance

    with errors_as_messages(), connect(read_settings().database, COMMAND) as connection:
        found = trial_balance(connection)
    if as_json:
        print(json.dumps({"data": [line.shown() for line in found.lines], "balanced": found.balanced}))
    else:
        console.print(table_of([line.shown() for line in found.lines], ("account", "unit", "total")))
        console.print("Every unit sums to zero." if found.balanced else f"NOT balanced: {found.sums}")
    raise typer.Exit(0 if found.balanced else 1)
