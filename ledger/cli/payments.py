"""`ledger payments`: what of payments people have to look at."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.asking import Yes, confirm
from ledger.cli.shared import Json, console, failing_in_words, read_settings, table_of

if TYPE_CHECKING:
    from ledger.records.payment_alerts import Raised

app = typer.Typer()


@app.command(epilog="Example: ledger payments --json")
def payments(
    resolve: Annotated[
        str, typer.Option(metavar="PAYMENT", help="You have dealt with all that is said of it: never show it again.")
    ] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """List payments, refunds, disputes and payouts that don't fit, the oldest first: charged and not credited, or so.

    The payment sweep and webhooks find them; nothing is credited or debited for them until people decide.
    """
    from ledger.postgres.connections import connect
    from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
    from ledger.records import payment_alerts

    with failing_in_words(), connect(read_settings().database, COMMAND_AUTOCOMMIT) as connection:
        if resolve:
            confirm(f"Is everything about {resolve} dealt with, and never to be shown again?", yes=yes)
            typer.echo(f"Resolved: {payment_alerts.resolve(connection, resolve)}", err=True)
        found = [_shown(raised, datetime.now(UTC)) for raised in payment_alerts.unresolved(connection)]
    if as_json:
        print(json.dumps({"data": found}))
    else:
        columns = ("provider", "payment_id", "reason", "kind", "account_id", "age")
        console.print(table_of([{**one, "account_id": one["account_id"] or ""} for one in found], columns))


def _shown(raised: "Raised", now: datetime) -> dict[str, Any]:
    """An alert as JSON says it."""
    from ledger.payments.payment_alerts import kind_of

    alert, age = raised.alert, now - raised.raised_at
    return {
        **alert._asdict(),
        "kind": kind_of(alert.reason),
        "raised_at": raised.raised_at.isoformat(),
        "age_seconds": int(age.total_seconds()),
        "age": str(timedelta(seconds=int(age.total_seconds()))),
    }
