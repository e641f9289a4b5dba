"""`ledger book`: show the book, list, compare, publish and withdraw versions of it, import prices."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, console, errors_as_messages, read_settings, table_of
from ledger.cli.times import log_time_of, time_of
from ledger.core.calendar import ms_of

if TYPE_CHECKING:
    from ledger.reports.book_overtaking import TakeOver
    from ledger.service.book import Changes
    from schemas.book import BookVersion

app = typer.Typer(
    no_args_is_help=True, help="The book: prices, markups, packages and everything else that charges depend on."
)

VersionFile = Annotated[
    typer.FileText, typer.Argument(encoding="utf-8", help="A version of the book as JSON; - for stdin.")
]


@app.command("show", epilog="Example: ledger book show --prices 'openai/*'")
def show(
    version: Annotated[int | None, typer.Option(help="Show this version. Default: the one in force.")] = None,
    at: Annotated[str, typer.Option(help="Show the version in force at this time, such as 2026-12-01T00:00:00Z.")] = "",
    prices: Annotated[
        str, typer.Option(help="Also list the prices whose provider/model matches this pattern; '*' for all.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the version as JSON, in the form that publish reads.")
    ] = False,
) -> None:
    """Show the version of the book that is in force, and the versions that are announced."""
    from ledger.cli.book_text import print_prices, print_version
    from ledger.log.book_history import read_history

    now_ms = ms_of(datetime.now(UTC))
    with errors_as_messages():
        at_ms = log_time_of(at, "--at") if at else now_ms
        history = read_history(read_settings())
        found = history.in_force(at_ms) if version is None else history.numbered(version)
    if as_json:
        print(_json_of(found.wire))
        return
    print_version(console, history, found.version, now_ms)
    if prices:
        print_prices(console, found.version, prices)


@app.command("list", epilog="Example: ledger book list")
def list_(as_json: Json = False) -> None:
    """List all versions of the book: announced, in force, past, replaced before they took effect, or withdrawn."""
    from ledger.cli.book_text import version_lines
    from ledger.log.book_history import read_history

    with errors_as_messages():
        found = version_lines(read_history(read_settings()), ms_of(datetime.now(UTC)))
    if as_json:
        print(json.dumps({"data": found}))
    else:
        lines = [{**line, "until": line["until"] or ""} for line in found]
        console.print(table_of(lines, ("version", "state", "from", "until", "published")))


@app.command("diff", epilog="Example: ledger book diff next.json")
def diff(file: VersionFile, as_json: Json = False) -> None:
    """Show what a version would change in the one that it replaces. The exit code is always 0.

    Names the announced versions that take over from it, and what they would undo. Warns about each removed model that
    was used recently: its usage would become dead letters. And about new prices that are absurd beside others.
    """
    from ledger.log.book_history import read_history
    from ledger.service.book import changes_by, draft, read_version

    with errors_as_messages():
        settings = read_settings()
        history = read_history(settings)
        version = draft(read_version(file.read(), file.name, history.next_number))
        found = changes_by(settings, history, version)
    if as_json:
        differences = [each._asdict() for each in found.differences]
        removed = [each._asdict() for each in found.removed_in_use]
        take_overs = [_take_over_json(each) for each in found.take_overs]
        warnings = [each._asdict() for each in found.warnings]
        parts = {"removed_in_use": removed, "warnings": warnings, "take_overs": take_overs}
        print(json.dumps({"changes": differences, **parts}))
    else:
        _print_changes(console, found)


@app.command("publish", epilog="Example: ledger book publish next.json --effective-from 2026-12-01T00:00:00Z")
def publish(
    file: VersionFile,
    effective_from: Annotated[
        str,
        typer.Option(help="When it takes effect. Default: the time in the file, or else 60 seconds after publishing."),
    ] = "",
    until_announced: Annotated[
        bool,
        typer.Option("--until-announced", help="Publish it also if a version that is announced would undo changes."),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Publish a version of the book: show its changes, ask, append it signed, and check that it is accepted.

    A version that the readers of the book would reject is refused before it is appended. So is one whose changes an
    announced version would undo.
    """
    from ledger.cli.book_text import moment_text
    from ledger.log.book_history import read_history
    from ledger.service import book

    with errors_as_messages():
        settings = read_settings()
        history = read_history(settings)
        starts = time_of(effective_from, "--effective-from") if effective_from else None
        wire = book.read_version(file.read(), file.name, history.next_number, starts)
        version = book.rehearse(settings, history, wire)
        found = book.changes_by(settings, history, version)
        _print_changes(Console(stderr=True) if as_json else console, found)
        if not until_announced:
            book.require_lasting(found)
        confirm(f"Publish version {wire.version}?", yes=yes)
        published = book.publish(settings, wire)
    takes_effect = moment_text(published.effective_from_ms)
    if as_json:
        print(json.dumps({"version": published.number, "effective_from": takes_effect}))
    else:
        console.print(f"Version {published.number} is accepted and takes effect at {takes_effect}.", highlight=False)


@app.command("withdraw", epilog="Example: ledger book withdraw 3")
def withdraw(
    version: Annotated[int, typer.Argument(help="The number of the announced version.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Withdraw a version that is announced, so that it never takes effect. Its number is not used again.

    It can be withdrawn until 60 seconds before it takes effect.
    """
    from ledger.cli.book_text import moment_text, print_changes
    from ledger.log.book_history import read_history
    from ledger.reports.book_diff import changes
    from ledger.service import book

    with errors_as_messages():
        settings = read_settings()
        history = read_history(settings)
        without = book.rehearse_withdrawal(settings, history, version)
        at_ms = history.book.numbered(version).effective_from_ms
        before, after = history.book.at(at_ms), without.at(at_ms)
        shown = Console(stderr=True) if as_json else console
        shown.print(f"At {moment_text(at_ms)} version {after.number} will be in force.", highlight=False)
        print_changes(shown, changes(before, after))
        confirm(f"Withdraw version {version}?", yes=yes)
        book.withdraw(settings, version)
    if as_json:
        print(json.dumps({"withdrawn": version}))
    else:
        console.print(f"Version {version} is withdrawn.", highlight=False)


@app.command("import", epilog="Example: ledger book import --provider openai --model 'gpt-4*' -o next.json")
def import_(
    provider: Annotated[
        list[str] | None, typer.Option(help="Only this provider; repeat for several. Default: all.")
    ] = None,
    model: Annotated[str, typer.Option(help="Only models whose name matches this shell pattern.")] = "*",
    onto: Annotated[
        typer.FileText | None,
        typer.Option(
            encoding="utf-8", help="The version to start from. Default: the one that will be in force in 60 seconds."
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Remove all prices that are not imported.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only compare the prices that the version has; exit with 1 if the list's moved."),
    ] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write. Default: stdout.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the version and all remarks as JSON.")] = False,
) -> None:
    """Make the next version of the book from providers' list prices, ready for diff and publish.

    The prices come with the package genai-prices, so nothing is downloaded. What it skips, it names with the reason.
    """
    from ledger.cli.book_text import print_imported
    from ledger.service.book import next_version, read_version
    from ledger.service.list_prices import imported

    if check:
        if replace:
            raise typer.BadParameter("--check compares the prices that there are; it takes no --replace")
        _check(provider or [], model, onto, output, as_json=as_json)
        return
    with errors_as_messages():
        base = read_version(onto.read(), onto.name) if onto else next_version(read_settings())
        found = imported(base, provider or [], model, datetime.now(UTC).date(), replace=replace)
    print_imported(Console(stderr=True), found)
    _write(found.version, output)
    if as_json:
        remarks = {
            part: [each._asdict() for each in getattr(found, part)] for part in ("remarks", "warnings", "skipped")
        }
        print(json.dumps({"version": json.loads(_json_of(found.version)), "imported": found.prices, **remarks}))
    elif not output:
        print(_json_of(found.version))


def _check(
    providers: list[str], model: str, onto: typer.FileText | None, output: Path | None, *, as_json: bool
) -> None:
    """Compares the version in force, or that of a file, with the list; ends with 1 when a price moved."""
    from ledger.cli.book_text import print_moved
    from ledger.service.book import next_version, read_version, version_in_force
    from ledger.service.list_prices import moved

    with errors_as_messages():
        settings = read_settings()
        base = read_version(onto.read(), onto.name) if onto else version_in_force(settings)
        found = moved(base, providers, model)
        if output and found.differences:
            _write(found.version if onto else moved(next_version(settings), providers, model).version, output)
    if as_json:
        differences = [each._asdict() for each in found.differences]
        print(json.dumps({"compared": found.compared, "changes": differences, "unlisted": found.unlisted}))
    else:
        print_moved(console, found)
    if found.differences:
        raise typer.Exit(1)


def _write(version: "BookVersion", output: Path | None) -> None:
    if output:
        output.write_text(_json_of(version) + "\n", encoding="utf-8")


def _print_changes(shown: Console, found: "Changes") -> None:
    from ledger.cli.book_text import print_changes, print_take_over, print_uses, print_warnings
    from ledger.service.book import USED_DAYS

    print_changes(shown, found.differences)
    print_uses(shown, found.removed_in_use, USED_DAYS)
    print_warnings(shown, found.warnings)
    for each in found.take_overs:
        print_take_over(shown, each)


def _take_over_json(each: "TakeOver") -> dict[str, Any]:
    from ledger.cli.book_text import moment_text

    return {
        "version": each.version,
        "effective_from": moment_text(each.effective_from_ms),
        "undone": [change._asdict() for change in each.undone],
        "keys_that_do_not_count": [change._asdict() for change in each.keys],
    }


def _json_of(version: "BookVersion") -> str:
    return version.model_dump_json(exclude_none=True, indent=2)
