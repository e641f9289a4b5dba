"""`ledger tail`: the log as people and programs read it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from ledger.cli.asking import moment
from ledger.cli.shared import Json, failing_in_words, read_settings

if TYPE_CHECKING:
    from ledger.cli.log_lines import Lens, Shown
    from ledger.log.reader import LogReader

TopicName = Literal["events", "topups", "book", "deadletters", "records"]
Start = Literal["beginning", "end"] | int | datetime
_BY_ACCOUNT = ("events", "topups")
_LAST = 10

app = typer.Typer()


def start_of(text: str) -> Start:
    """Where to begin, as it is said on the command line. Raises NotAMoment."""
    if text in ("beginning", "end"):
        return cast(Literal["beginning", "end"], text)
    return int(text) if text.isascii() and text.isdigit() else moment(text, "--from")


@app.command(epilog="Example: ledger tail --account acct_42 --last 20 --no-follow")
def tail(
    topic: Annotated[TopicName, typer.Argument(help='Which topic, without the "ledger." of its name.')] = "events",
    start: Annotated[
        str,
        typer.Option(
            "--from", help="Begin at: beginning, end, an offset, or a moment of the log such as 2026-11-21T10:00:00Z."
        ),
    ] = "",
    last: Annotated[int | None, typer.Option(min=1, help="Begin with the last N that pass the filters.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account; reads only its partition.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only this type, such as usage.recorded.")] = None,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Go on at the end of the log.")] = True,
    as_json: Json = False,
) -> None:
    """Show records of the log as they come: time, partition/offset, account, type, signature, data.

    Begins at the end, with --no-follow at the last 10. Records of one partition are in order. What can't be read is
    shown with the reason. Ctrl-C ends it.
    """
    if last is not None and start:
        raise typer.BadParameter("--last and --from exclude each other")
    if account is not None and topic not in _BY_ACCOUNT:
        raise typer.BadParameter(f"--account is for {' and '.join(_BY_ACCOUNT)}")
    if not (start or last or follow):
        last = _LAST
    with failing_in_words(), _ending_quietly():
        from ledger.cli.log_lines import Lens
        from ledger.log.reader import reading

        begin = start_of(start or "end")
        settings, name = read_settings(), f"ledger.{topic}"
        lens = Lens(name, settings.secrets, account, type_)
        with reading(settings, settings.topic(name), account) as reader:
            for some in _shown(reader, lens, begin, last, follow):
                for shown in some:
                    print(shown.json_fields() if as_json else shown.line())
                sys.stdout.flush()


def _shown(
    reader: "LogReader", lens: "Lens", begin: Start, last: int | None, follow: bool
) -> Iterator[Iterator["Shown"]]:
    """Everything that passes, fetch by fetch, from where it was asked for."""
    if last is not None:
        yield filter(None, map(lens.shown, reader.last(last, lens.passes)))
    reader.seek(begin)
    for records in reader.records(follow=follow):
        yield filter(None, map(lens.shown, records))


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Ctrl-C and a reader that has seen enough (`| head`) are no errors."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal that lacks characters
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the flush at exit has somewhere to go
