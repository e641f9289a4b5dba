"""`ledger quarantine`: usage that the book finds too dear to be true, and what a person decides about it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, console, errors_as_messages, read_settings, table_of

if TYPE_CHECKING:
    from ledger.service.resources import Resources
    from schemas.http import QuarantineDecided

app = typer.Typer(no_args_is_help=True, help="Usage that was kept aside because its charge was not plausible.")
Answer = TypeVar("Answer")
Account = Annotated[str, typer.Argument(metavar="ACCOUNT")]
EventId = Annotated[str, typer.Argument(metavar="EVENT_ID", help="The id in the list.")]
Reason = Annotated[str, typer.Option(help="Why, as a code: counted_wrong, customer_confirmed ...")]


@app.command("list", epilog="Example: ledger quarantine list --account acct_42")
def list_(
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List usage that waits for a decision, oldest first: when, whose, which model, and what it would be charged."""
    from ledger.service.caller import OPERATOR
    from ledger.service.quarantine import list_quarantine

    with errors_as_messages():
        page = _asked(lambda resources: list_quarantine(resources, OPERATOR, account, None, limit))
    if as_json:
        print(page.model_dump_json())
        return
    lines = [
        {
            "kept aside at": f"{each.kept_aside_at:%Y-%m-%d %H:%M:%S}",
            "account": each.transaction.account_id,
            "event": each.transaction.event_id,
            "usage": each.transaction.description,
            "charge": each.charge,
        }
        for each in page.data
    ]
    if lines:
        console.print(table_of(lines, ("kept aside at", "account", "event", "usage", "charge")))
    else:
        typer.echo("No usage waits for a decision.", err=True)


@app.command("accept", epilog="Example: ledger quarantine accept acct_42 019a… --reason customer_confirmed")
def accept(account: Account, event_id: EventId, reason: Reason, yes: Yes = False, as_json: Json = False) -> None:
    """Charge such usage after all, by the prices of now: correct a wrong price first."""
    with errors_as_messages():
        confirm(f"Charge {account} for {event_id}?", yes=yes)
        decided = _decided(account, event_id, "accepted", reason)
    charged = decided.transaction.amount.removeprefix("-") if decided.transaction else "0"
    _show(decided, f"Charged {charged} credits.", as_json=as_json)


@app.command("drop", epilog="Example: ledger quarantine drop acct_42 019a… --reason counted_wrong")
def drop(account: Account, event_id: EventId, reason: Reason, yes: Yes = False, as_json: Json = False) -> None:
    """Never charge such usage."""
    with errors_as_messages():
        confirm(f"Never charge {account} for {event_id}?", yes=yes)
        decided = _decided(account, event_id, "dropped", reason)
    _show(decided, "Dropped; it is never charged.", as_json=as_json)


def _decided(account: str, event_id: str, decision: str, reason: str) -> "QuarantineDecided":
    from ledger.cli.use_cases import checked
    from ledger.core.errors import Invalid
    from ledger.service.caller import OPERATOR
    from ledger.service.quarantine import decide
    from ledger.service.writes import NotFoldedYet
    from schemas.http import NewDecision, Pending
    from schemas.identity import is_uuid

    new = checked(NewDecision, {"decision": decision, "reason_code": reason})
    if not is_uuid(event_id):
        raise Invalid("must be a UUID", field="event_id")
    answer = _asked(lambda resources: decide(resources, OPERATOR, account, event_id.lower(), new))
    if isinstance(answer, Pending):
        raise NotFoldedYet(answer.event_id)
    return answer


def _asked(ask: "Callable[[Resources], Awaitable[Answer]]") -> Answer:
    import asyncio

    from ledger import logs
    from ledger.cli.use_cases import with_resources

    logs.silence()
    return asyncio.run(with_resources(read_settings(), ask))


def _show(decided: "QuarantineDecided", text: str, *, as_json: bool) -> None:
    if as_json:
        print(decided.model_dump_json())
    else:
        console.print(text, highlight=False)
