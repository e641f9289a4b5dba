"""`ledger book`: show the book, compare, import prices, and publish another version of it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ledger.cli.asking import Yes, confirm, log_time, moment
from ledger.cli.shared import Json, console, failing_in_words, read_settings
from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError

if TYPE_CHECKING:
    from ledger.core.book import Version
    from ledger.log.book_history import History
    from ledger.settings import Settings
    from ledger.views.models_used import ModelUse
    from schemas.book import BookVersion

app = typer.Typer(no_args_is_help=True, help="Prices, markups, packages and all else that a charge depends on.")
USED_DAYS = 30

VersionFile = Annotated[typer.FileText, typer.Argument(encoding="utf-8", help="A version as JSON; - for stdin.")]


class NotJson(LedgerError):
    message = "The file is not a JSON object"


@app.command("show", epilog="Example: ledger book show --prices 'openai/*'")
def show(
    version: Annotated[int | None, typer.Option(help="The version of this number. Default: the one in force.")] = None,
    at: Annotated[str, typer.Option(help="The version in force at this time (2026-12-01T00:00:00Z).")] = "",
    prices: Annotated[str, typer.Option(help="Also list prices whose provider/model matches; '*' for all.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print it in the form that publish takes.")] = False,
) -> None:
    """Show the version of the book that is in force, and say which ones are announced."""
    from ledger.cli.book_shown import print_prices, print_version
    from ledger.log.book_history import read_history

    now_ms = ms_of(datetime.now(UTC))
    with failing_in_words():
        at_ms = log_time(at, "--at") if at else now_ms
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
    """Say what a version would change in the one that was published last; the exit code is 0 either way.

    A removed model that was used lately is warned about: its usage would become dead letters.
    """
    from ledger.log.book_history import read_history

    with failing_in_words():
        settings = read_settings()
        history = read_history(settings)
        wire = _read_version(file, history.next_number)
        _show_changes(console, settings, history, _compiled(wire), as_json)


@app.command("publish", epilog="Example: ledger book publish next.json --effective-from 2026-12-01T00:00:00Z")
def publish(
    file: VersionFile,
    effective_from: Annotated[
        str,
        typer.Option(help="When it takes effect. Default: as the file says, else 60 seconds after it is published."),
    ] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Publish a version of the book: show what it changes, ask, append it signed, and see that it is accepted.

    What the readers of the book would reject is refused before it is appended.
    """
    from ledger.cli.book_shown import moment_text
    from ledger.guard.guard import Guard
    from ledger.log.book_history import publish, read_history

    with failing_in_words():
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
        console.print(f"Version {published.number} is accepted; it applies from {takes_effect} on.", highlight=False)


@app.command("import", epilog="Example: ledger book import --provider openai --model 'gpt-4*' -o next.json")
def import_(
    provider: Annotated[list[str] | None, typer.Option(help="Repeat for several. Default: all.")] = None,
    model: Annotated[str, typer.Option(help="Only models whose name matches this shell pattern.")] = "*",
    onto: Annotated[
        typer.FileText | None,
        typer.Option(encoding="utf-8", help="The version to start from. Default: the latest on the log."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Drop all prices that are not imported.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write it. Default: stdout.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the version and all remarks as JSON.")] = False,
) -> None:
    """Make the next version of the book from providers' list prices, ready for diff and publish.

    The prices come with the package genai-prices; nothing is fetched. What a price per token can't say is skipped.
    """
    from ledger.cli.book_shown import print_remarks
    from ledger.list_prices import NothingToImport, catalogue, list_prices, with_prices

    with failing_in_words():
        found = list_prices(catalogue(provider or ()), model, datetime.now(UTC))
        shown = Console(stderr=True)
        print_remarks(shown, "Imported, but note:", found.notes)
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
    """The version that imported prices are put into; from the log it is the next one. Raises BookEmpty and others."""
    from ledger.log.book import BookEmpty
    from ledger.log.book_history import read_history

    if onto is not None:
        return _read_version(onto)
    history = read_history(read_settings())
    if history.latest is None:
        raise BookEmpty()
    return history.latest.wire.model_copy(update={"version": history.next_number, "effective_from": None})


def _read_version(file: typer.FileText, number: int | None = None, effective_from: str = "") -> "BookVersion":
    """The version in a file, `number` where it has none. Raises NotJson, NotAMoment or BookVersionInvalid."""
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
        stated["effective_from"] = moment(effective_from, "--effective-from").isoformat()
    return version_of(json.dumps(stated))


def _show_changes(shown: Console, settings: "Settings", history: "History", version: "Version", as_json: bool) -> None:
    """What a version changes in the latest one, and which removed models are in use."""
    from ledger.cli.book_shown import print_changes, print_uses
    from ledger.core.book_diff import changes, removed_models

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
    """Which of these models were used in the last days; Postgres is asked only when there are some."""
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
