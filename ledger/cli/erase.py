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
    from ledger.log.endings import append_endings
    from ledger.postgres.connections import connect
    from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
    from ledger.records import erasing

    with errors_as_messages():
        settings = read_settings()
        with connect(settings.database, COMMAND_AUTOCOMMIT) as connection:
            confirm(f"Erase the personal data of {account_id}? It can't be undone.", yes=yes)
            invoiced = bool(settings.supplier.name) and not settings.fold_only
            done = erasing.erase(connection, account_id, invoiced=invoiced, on_log=not settings.fold_only)
            on_log = show_not_on_log(append_endings(settings, connection, done.noted))
    if as_json:
        print(json.dumps({"erased": done.erased, "kept": [kept._asdict() for kept in done.kept], "on_log": on_log}))
        return
    for name, count in done.erased.items():
        typer.echo(f"{count} {name.replace('_', ' ')}", err=True)
    console.print(table_of([kept._asdict() for kept in done.kept], ("what", "why")))
