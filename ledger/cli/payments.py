"""`ledger payments`: payments that a person must check."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, console, errors_as_messages, read_settings, table_of

if TYPE_CHECKING:
    from ledger.records.payment_alerts import RaisedAlert

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
    from ledger.postgres.connections import connect
    from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
    from ledger.records import payment_alerts

    with errors_as_messages(), connect(read_settings().database, COMMAND_AUTOCOMMIT) as connection:
        if resolve:
            confirm(f"Is everything about {resolve} resolved? It will not be listed again.", yes=yes)
            typer.echo(f"Resolved: {payment_alerts.resolve(connection, resolve)}", err=True)
        found = [_shown(raised, datetime.now(UTC)) for raised in payment_alerts.unresolved(connection)]
    if as_json:
        print(json.dumps({"data": found}))
    else:
        columns = ("provider", "payment_id", "reason", "kind", "account_id", "age")
        console.print(table_of([{**one, "account_id": one["account_id"] or ""} for one in found], columns))


def _shown(raised: "RaisedAlert", now: datetime) -> dict[str, Any]:
    """An alert, as JSON."""
    from ledger.payments.payment_alerts import kind_of

    alert, age = raised.alert, now - raised.raised_at
    return {
        **alert._asdict(),
        "kind": kind_of(alert.reason),
        "raised_at": raised.raised_at.isoformat(),
        "age_seconds": int(age.total_seconds()),
        "age": str(timedelta(seconds=int(age.total_seconds()))),
    }
