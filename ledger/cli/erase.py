"""`ledger erase`: erases a customer's personal data, as far as the law allows."""

import json
from typing import Annotated

import typer

from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, console, errors_as_messages, read_settings, show_not_on_log, table_of

app = typer.Typer()


@app.command(epilog="Example: ledger erase acct_42")
def erase(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT")], yes: Yes = False, as_json: Json = False
) -> None:
    """Erase a customer's personal data: profile, tax ids, endpoints, keys, stored responses. Show what is kept and why.

    Issued invoices are kept, because the law requires it. The log never contains personal data. If the database is
    restored from a backup, the data is erased again.
    """
    from ledger.service import erasure

    with errors_as_messages():
        settings = read_settings()
        confirm(f"Erase the personal data of {account_id}? It can't be undone.", yes=yes)
        done = erasure.erase(settings, account_id)
        on_log = show_not_on_log(done.not_on_log)
    if as_json:
        print(json.dumps({"erased": done.rows, "kept": [kept._asdict() for kept in done.kept], "on_log": on_log}))
        return
    for name, count in done.rows.items():
        typer.echo(f"{count} {name.replace('_', ' ')}", err=True)
    console.print(table_of([kept._asdict() for kept in done.kept], ("what", "why")))
