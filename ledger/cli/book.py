"""`ledger book`: show the book, compare and publish versions of it, import prices."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, console, errors_as_messages, read_settings
from ledger.cli.times import log_time_of, time_of
from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError

if TYPE_CHECKING:
    from ledger.core.book import Version
    from ledger.log.book_history import History
    from ledger.settings import Settings
    from ledger.views.models_used import ModelUse
    from schemas.book import BookVersion

app = typer.Typer(
    no_args_is_help=True, help="The book: prices, markups, packages and everything else that charges depend on."
)
USED_DAYS = 30

VersionFile = Annotated[
    typer.FileText, typer.Argument(encoding="utf-8", help="A version of the book as JSON; - for stdin.")
]


class NotJson(LedgerError):
    message = "The file is not a JSON object"


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
    """Show the version of the book that is in force, and list later versions that are already published."""
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


@app.command("diff", epilog="Example: ledger book diff next.json")
def diff(file: VersionFile, as_json: Json = False) -> None:
    """Show what a version would change in the latest published one. The exit code is always 0.

    Warns about each removed model that was used recently: its usage would become dead letters.
    """
    from ledger.log.book_history import read_history

    with errors_as_messages():
        settings = read_settings()
        history = read_history(settings)
        wire = _read_version(file, history.next_number)
        _show_changes(console, settings, history, _compiled(wire), as_json)


@app.command("publish", epilog="Example: ledger book publish next.json --effective-from 2026-12-01T00:00:00Z")
def publish(
    file: VersionFile,
    effective_from: Annotated[
        str,
        typer.Option(help="When it takes effect. Default: the time in the file, or else 60 seconds after publishing."),
    ] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Publish a version of the book: show its changes, ask, append it signed, and check that it is accepted.

    A version that the readers of the book would reject is refused before it is appended.
    """
    from ledger.cli.book_text import moment_text
    from ledger.guard.guard import Guard
    from ledger.log.book_history import publish, read_history

    with errors_as_messages():
        settings = read_settings()
        history = read_history(settings)
        wire = _read_version(file, history.next_number, effective_from)
        rehearsed = history.rehearse(wire, settings.signing_key(), ms_of(datetime.now(UTC)))
        _show_changes(Console(stderr=True) if as_json else console, settings, history, rehearsed, as_json=False)
        confirm(f"Publish version {wire.version}?", yes=yes)
        with Guard(settings) as guard:
            published = publish(settings, wire, guard).version
    takes_effect = moment_text(published.effective_from_ms)
    if as_json:
        print(json.dumps({"version": published.number, "effective_from": takes_effect}))
    else:
        console.print(f"Version {published.number} is accepted and takes effect at {takes_effect}.", highlight=False)


@app.command("import", epilog="Example: ledger book import --provider openai --model 'gpt-4*' -o next.json")
def import_(
    provider: Annotated[
        list[str] | None, typer.Option(help="Only this provider; repeat for several. Default: all.")
    ] = None,
    model: Annotated[str, typer.Option(help="Only models whose name matches this shell pattern.")] = "*",
    onto: Annotated[
        typer.FileText | None,
        typer.Option(encoding="utf-8", help="The version to start from. Default: the latest on the log."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Remove all prices that are not imported.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write. Default: stdout.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the version and all remarks as JSON.")] = False,
) -> None:
    """Make the next version of the book from providers' list prices, ready for diff and publish.

    The prices come with the package genai-prices, so nothing is downloaded. Models without a fixed price per token are
    skipped.
    """
    from ledger.cli.book_text import print_remarks
    from ledger.list_prices import NothingToImport, catalogue, list_prices, with_prices

    with errors_as_messages():
        found = list_prices(catalogue(provider or ()), model, datetime.now(UTC))
        shown = Console(stderr=True)
        print_remarks(shown, "Imported, with remarks:", found.notes)
        print_remarks(shown, "Skipped:", found.skipped)
        if not found.prices:
            raise NothingToImport(model, field="--model")
        version = with_prices(_base(onto), found.prices, replace=replace)
    shown.print(f"\n{len(found.prices):,} prices imported; {len(found.skipped):,} models skipped.", highlight=False)
    if output:
        output.write_text(_json_of(version) + "\n", encoding="utf-8")
    if as_json:
        remarks = {
            "notes": [each._asdict() for each in found.notes],
            "skipped": [each._asdict() for each in found.skipped],
        }
        print(json.dumps({"version": json.loads(_json_of(version)), "imported": len(found.prices), **remarks}))
    elif not output:
        print(_json_of(version))


def _base(onto: typer.FileText | None) -> "BookVersion":
    """The version to add imported prices to; from the log, with the next number. Raises BookEmpty and others."""
    from ledger.log.book import BookEmpty
    from ledger.log.book_history import read_history

    if onto is not None:
        return _read_version(onto)
    history = read_history(read_settings())
    if history.latest is None:
        raise BookEmpty()
    return history.latest.wire.model_copy(update={"version": history.next_number, "effective_from": None})


def _read_version(file: typer.FileText, number: int | None = None, effective_from: str = "") -> "BookVersion":
    """The version in a file.

    `number`: its number if the file has none. Raises NotJson, InvalidTime or BookVersionInvalid.
    """
    from ledger.log.book_history import version_of

    try:
        stated: Any = json.load(file)
    except ValueError as error:
        raise NotJson(str(error), field=file.name) from None
    if not isinstance(stated, dict):
        raise NotJson(field=file.name)
    if number is not None:
        stated.setdefault("version", number)
    if effective_from:
        stated["effective_from"] = time_of(effective_from, "--effective-from").isoformat()
    return version_of(json.dumps(stated))


def _show_changes(shown: Console, settings: "Settings", history: "History", version: "Version", as_json: bool) -> None:
    """Prints the changes against the latest version, and the removed models that are in use."""
    from ledger.cli.book_text import print_changes, print_uses
    from ledger.reports.book_diff import changes, removed_models

    before = history.latest.version if history.latest else None
    found = changes(before, version)
    used = _used_lately(settings, removed_models(before, version))
    if as_json:
        lines = {"changes": [each._asdict() for each in found], "removed_in_use": [each._asdict() for each in used]}
        print(json.dumps(lines))
    else:
        print_changes(shown, found)
        print_uses(shown, used, USED_DAYS)


def _used_lately(settings: "Settings", models: list[tuple[str, str]]) -> "list[ModelUse]":
    """Which of these models were used in the last USED_DAYS days. Reads Postgres only if there are models to check."""
    from ledger.postgres.connections import connect
    from ledger.postgres.kinds import COMMAND
    from ledger.views.models_used import models_used

    if not models:
        return []
    with connect(settings.database, COMMAND) as connection:
        return models_used(connection, models, datetime.now(UTC).date() - timedelta(days=USED_DAYS))


def _compiled(wire: "BookVersion") -> "Version":
    from ledger.core.book import compiled

    return compiled(wire, 0)


def _json_of(version: "BookVersion") -> str:
    return version.model_dump_json(exclude_none=True, indent=2)
