"""`ledger keys`: keys of the HTTP API."""

import json
from typing import Annotated

import typer

from ledger.cli.shared import Json, console, failing_in_words
from ledger.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Keys of the HTTP API.")


@app.command("create", epilog="Example: ledger keys create --scope accounts:read --account acct_42")
def create(
    scope: Annotated[list[str] | None, typer.Option(help="Repeat for several. Default: all scopes.")] = None,
    account: Annotated[str, typer.Option(help="Only this account. Default: an operator's key, for all.")] = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: Json = False,
) -> None:
    """Make a key of the HTTP API and show it, once."""
    import psycopg

    from ledger.records import api_keys

    with failing_in_words(), psycopg.connect(Settings().database) as connection:
        made = api_keys.create(connection, scope or api_keys.SCOPES, account, description)
    if as_json:
        print(json.dumps({"key_id": made.key_id, "key": made.token}))
    else:
        console.print(made.token, soft_wrap=True, highlight=False)
        typer.echo(f"This is the only time that the key {made.key_id} is shown.", err=True)
