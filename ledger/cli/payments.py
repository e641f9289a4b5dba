"""`ledger payments`: payments that a person must check."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, console, errors_as_messages, read_settings, table_of

if TYPE_CHECKING:
    from ledger.service.payment_alerts import UnresolvedAlert

app = typer.Typer()


@app.command(epilog="Example: ledger payments --json")
def payments(
    resolve: Annotated[
        str, typer.Option(metavar="PAYMENT", help="Everything about this payment is resolved; don't list it again.")
    ] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """List payments, refunds, disputes and payouts that don't match, such as charged but not credited; oldest first.

    The payment sweep and webhooks find them. Nothing is credited or debited for them until a person decides.
    """
    from ledger.service import payment_alerts

    with errors_as_messages():
        settings = read_settings()
        if resolve:
            confirm(f"Is everything about {resolve} resolved? It will not be listed again.", yes=yes)
            typer.echo(f"Resolved: {payment_alerts.resolve(settings, resolve)}", err=True)
        found = [_shown(each) for each in payment_alerts.unresolved(settings)]
    if as_json:
        print(json.dumps({"data": found}))
    else:
        columns = ("provider", "payment_id", "reason", "kind", "account_id", "age")
        console.print(table_of([{**one, "account_id": one["account_id"] or ""} for one in found], columns))


def _shown(found: "UnresolvedAlert") -> dict[str, Any]:
    """An alert, as JSON."""
    seconds = int(found.age.total_seconds())
    return {
        **found.alert._asdict(),
        "kind": found.kind,
        "raised_at": found.raised_at.isoformat(),
        "age_seconds": seconds,
        "age": str(timedelta(seconds=seconds)),
    }
