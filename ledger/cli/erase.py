"""`ledger erase`: a customer's personal data, as far as the law lets us."""

import json
from typing import Annotated

import typer

from ledger.cli.asking import Yes, confirm
from ledger.cli.ending import say
from ledger.cli.shared import Json, console, failing_in_words, read_settings, table_of

app = typer.Typer()


@app.command(epilog="Example: ledger erase acct_42")
def erase(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT")], yes: Yes = False, as_json: Json = False
) -> None:
    """Erase a customer: profile, tax ids, endpoints, keys, kept answers. Says what is kept, and why.

    Issued invoices stay as they are, because the law has them kept; the log never had personal data. A database that is
    restored is erased again.
    """
    from ledger.postgres.connections import connect
    from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
    from ledger.records import erasing

    with failing_in_words():
        settings = read_settings()
        with connect(settings.database, COMMAND_AUTOCOMMIT) as connection:
            confirm(f"Erase the personal data of {account_id}, for ever?", yes=yes)
            invoiced = bool(settings.supplier.name) and not settings.fold_only
            done = erasing.erase(connection, account_id, invoiced=invoiced, on_log=not settings.fold_only)
            on_log = say(settings, connection, done.noted)
    if as_json:
        print(json.dumps({"erased": done.erased, "kept": [kept._asdict() for kept in done.kept], "on_log": on_log}))
        return
    for name, count in done.erased.items():
        typer.echo(f"{count} {name.replace('_', ' ')}", err=True)
    console.print(table_of([kept._asdict() for kept in done.kept], ("what", "why")))
