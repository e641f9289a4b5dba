"""`ledger state`: an account's state, now or at an earlier time."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.shared import Json, console, errors_as_messages, read_settings, table_of
from ledger.cli.times import time_of
from ledger.core.calendar import ms_of

if TYPE_CHECKING:
    from projectors.past_state import Until

_DAY = timedelta(days=1)

app = typer.Typer()


@app.command(epilog="Example: ledger state acct_42 --at 2026-11-21T10:00:00Z")
def state(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    at: Annotated[
        str,
        typer.Option(
            help="A time such as 2026-11-21T10:00:00Z, a date (the end of that UTC day), "
            "or an offset of the account's partition (inclusive)."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Show an account's state, now or with --at at an earlier time: balance, auto top-up, disputes, last entries.

    Without --at it is read from the views. With --at the log is folded again up to that time, without the views.
    """
    from ledger.cli.progress_bars import ProgressBars
    from ledger.cli.state_text import shown, table_lines
    from ledger.postgres.connections import connect
    from ledger.postgres.kinds import COMMAND
    from ledger.views.account_state import read_account_state
    from projectors.past_state import state_at

    with errors_as_messages():
        settings = read_settings()
        if at:
            with ProgressBars() as bars:
                found = state_at(settings, account_id, _until(at), bars)
        else:
            with connect(settings.database, COMMAND) as connection:
                found = read_account_state(connection, account_id)
    fields = shown(found)
    if as_json:
        print(json.dumps(fields))
        return
    console.print(table_of(table_lines(fields), ("what", "is")))
    console.print(table_of(fields["last_entries"], ("time", "type", "amount", "balance_after", "offset", "event_id")))


def _until(text: str) -> "Until":
    """The time or offset of --at. Raises InvalidTime."""
    from projectors.past_state import Until

    if text.isascii() and text.isdigit():
        return Until(offset=int(text))
    try:
        day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        return Until(time_ms=ms_of(time_of(text, "--at")))
    return Until(time_ms=ms_of(day + _DAY) - 1)
