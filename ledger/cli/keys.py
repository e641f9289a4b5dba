"""`ledger keys`: keys of the HTTP API."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, console, errors_as_messages, read_settings, show_not_on_log, table_of

if TYPE_CHECKING:
    from ledger.records.api_keys import KeyInfo

app = typer.Typer(no_args_is_help=True, help="Keys of the HTTP API.")


@app.command("create", epilog="Example: ledger keys create --scope accounts:read --account acct_42")
def create(
    scope: Annotated[list[str] | None, typer.Option(help="Only this scope; repeat for several. Default: all.")] = None,
    account: Annotated[
        str, typer.Option(help="Only for this account. Default: for all accounts, as an operator's key.")
    ] = "",
    description: Annotated[str, typer.Option(help="What the key is for.")] = "",
    as_json: Json = False,
) -> None:
    """Create a key of the HTTP API and show it once."""
    from ledger.service import api_keys

    with errors_as_messages():
        made = api_keys.create(read_settings(), scope or (), account, description)
    if as_json:
        print(json.dumps({"key_id": made.key_id, "key": made.token}))
    else:
        console.print(made.token, soft_wrap=True, highlight=False)
        typer.echo(f"This is the only time that the key {made.key_id} is shown.", err=True)


@app.command("list", epilog="Example: ledger keys list --account acct_42")
def list_(
    account: Annotated[str | None, typer.Option(help="Only keys of this account; '' for operators' keys.")] = None,
    as_json: Json = False,
) -> None:
    """List keys, oldest first, with the revoked ones. Secrets are not stored, so they can't be shown."""
    from ledger.service import api_keys

    with errors_as_messages():
        found = [_shown(key) for key in api_keys.listed(read_settings(), account)]
    if as_json:
        print(json.dumps({"data": found}))
        return
    lines = [{**key, "scopes": " ".join(key["scopes"]), "revoked_at": key["revoked_at"] or ""} for key in found]
    console.print(table_of(lines, ("key_id", "account_id", "scopes", "description", "created_at", "revoked_at")))


@app.command("revoke", epilog="Example: ledger keys revoke 0c9f2b6a1e77d530")
def revoke(key_id: str, yes: Yes = False, as_json: Json = False) -> None:
    """Revoke a key for good. The API refuses it within two seconds, also after a restore of the database."""
    from ledger.service import api_keys

    with errors_as_messages():
        settings = read_settings()
        key = api_keys.key_info(settings, key_id)
        if key.revoked_at is None:
            whose = key.account_id or "an operator"
            confirm(f"Revoke the key {key_id} of {whose} ({key.description or 'no description'})?", yes=yes)
        key, revoked, not_on_log = api_keys.revoke(settings, key_id)
        on_log = show_not_on_log(not_on_log)
    if as_json:
        print(json.dumps({**_shown(key), "revoked_now": revoked, "on_log": on_log}))
    else:
        typer.echo(f"The key {key_id} {'is revoked' if revoked else f'was revoked before, at {key.revoked_at}'}.")


def _shown(key: "KeyInfo") -> dict[str, Any]:
    """A key, as JSON."""
    revoked_at = key.revoked_at.isoformat() if key.revoked_at else None
    return {**key._asdict(), "created_at": key.created_at.isoformat(), "revoked_at": revoked_at}
