"""`ledger state`, `rebuild` and `recover`: the log folded again, for one account or for all, and made whole again."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.asking import Yes, confirm, moment
from ledger.cli.shared import Json, console, failing_in_words, read_settings, table_of
from ledger.core.calendar import ms_of

if TYPE_CHECKING:
    from projectors.rebuild import Difference, Rebuilt
    from projectors.time_travel import Until

_DAY = timedelta(days=1)

app = typer.Typer()


@app.command(epilog="Example: ledger state acct_42 --at 2026-11-21T10:00:00Z")
def state(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    at: Annotated[
        str,
        typer.Option(
            help="A moment such as 2026-11-21T10:00:00Z; a date for the end of that UTC day; "
            "or an offset of the account's partition, which is included."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Show where an account stands, or with --at where it stood: balance, auto top-up, disputes, last entries.

    Without --at it is read from the views. With --at the log is folded again up to there, without the views.
    """
    from ledger.cli.account_state import shown, table_lines
    from ledger.cli.bars import Stages
    from ledger.postgres.connections import connect
    from ledger.postgres.kinds import COMMAND
    from ledger.views.standing import standing
    from projectors.time_travel import state_at

    with failing_in_words():
        settings = read_settings()
        if at:
            with Stages() as stages:
                found = state_at(settings, account_id, _until(at), stages)
        else:
            with connect(settings.database, COMMAND) as connection:
                found = standing(connection, account_id)
    said = shown(found)
    if as_json:
        print(json.dumps(said))
        return
    console.print(table_of(table_lines(said), ("what", "is")))
    console.print(table_of(said["last_entries"], ("time", "type", "amount", "balance_after", "offset", "event_id")))


def _until(text: str) -> "Until":
    """What --at says. Raises NotAMoment."""
    from projectors.time_travel import Until

    if text.isascii() and text.isdigit():
        return Until(offset=int(text))
    try:
        day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        return Until(time_ms=ms_of(moment(text, "--at")))
    return Until(time_ms=ms_of(day + _DAY) - 1)


@app.command(epilog="Example: ledger rebuild --yes --json")
def rebuild(
    yes: Yes = False,
    lose: Annotated[
        int | None, typer.Option(min=0, help="Drop the views though the log lacks just so many of their records.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fold the whole log again into new views, and compare every account with what stood before.

    The projectors must be stopped. A log that lacks what the views have is refused, and nothing is touched. The exit
    code is 1 if an account is not, byte for byte, what it was.
    """
    from ledger.cli.bars import Stages
    from projectors.rebuild import rebuild

    with failing_in_words():
        confirm("Drop the views and fold the whole log again?", yes=yes)
        with Stages() as stages:
            rebuilt = rebuild(read_settings(), stages, lose)
    for line in _lines(rebuilt):
        typer.echo(line, err=as_json)
    if as_json:
        print(json.dumps(rebuilt.json_fields()))
    raise typer.Exit(1 if rebuilt.different else 0)


@app.command(epilog="Example: ledger recover --dry-run")
def recover(
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is missing.")] = False,
    leave_out: Annotated[
        int, typer.Option(min=0, help="Go on though just so many entries can't be appended again.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Put back what the log has lost and Postgres still has, and accept the topics.

    Shows what is missing, then asks. Projectors and consumers must be stopped. The log is folded again afterwards; the
    exit code is 1 if an account is not what it was.
    """
    from ledger.cli.bars import Stages
    from ledger.cli.recovery import NotWhole, OnlyLooked, done_lines, lines_of, missing_for_machines
    from projectors.missing import Missing
    from projectors.recover import recover

    def agree(missing: Missing) -> None:
        stages.stop()
        for line in lines_of(missing):
            typer.echo(line, err=as_json)
        if as_json:
            print(json.dumps(missing_for_machines(missing)))
        if dry_run:
            raise OnlyLooked
        if len(missing.not_whole) != leave_out:
            raise NotWhole(str(len(missing.not_whole)))
        confirm("Append all of this to the log, and accept its topics?", yes=yes)
        stages.go_on()

    stages = Stages()
    with failing_in_words():
        try:
            with stages:
                recovered = recover(read_settings(), stages, agree)
        except OnlyLooked:
            return
    for line in done_lines(recovered):
        typer.echo(line, err=as_json)
    if recovered is None or recovered.rebuilt is None:
        return
    for line in _lines(recovered.rebuilt):
        typer.echo(line, err=as_json)
    if as_json:
        print(json.dumps({"recovered": recovered.records, **recovered.rebuilt.json_fields()}))
    raise typer.Exit(1 if recovered.rebuilt.different else 0)


def _lines(rebuilt: "Rebuilt") -> list[str]:
    """For people."""
    took = f"{rebuilt.seconds:.1f} s ({rebuilt.records / rebuilt.seconds:,.0f}/s)"
    lines = [f"Folded {rebuilt.records:,} records again in {took}; {rebuilt.emitted:,} messages are new."]
    if rebuilt.lost:
        lines.append(f"{rebuilt.lost:,} records that were folded before are no longer on the log.")
    if not rebuilt.compared:
        return [*lines, f"{rebuilt.accounts:,} accounts; nothing stood before, so there is nothing to compare."]
    if rebuilt.not_compared:
        lines.append(f"Not compared, as only one side has them: {', '.join(rebuilt.not_compared)}.")
    lines.append(f"{rebuilt.accounts:,} accounts: {rebuilt.equal:,} equal, {rebuilt.different:,} different.")
    return lines + [_line(each) for each in rebuilt.differences]


def _line(each: "Difference") -> str:
    what = ", ".join(each.columns)
    if each.rows_before != each.rows_now:  # then every column differs
        what = f"{each.rows_before:,} rows before, {each.rows_now:,} now"
    return f"  {each.account_id}: {each.table}: {what}"
