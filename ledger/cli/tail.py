"""`ledger tail`: shows the records of the log."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from ledger.cli.shared import Json, errors_as_messages, read_settings
from ledger.cli.times import time_of

if TYPE_CHECKING:
    from ledger.cli.record_lines import RecordFilter, ShownRecord
    from ledger.log.topic_reader import TopicReader

TopicName = Literal["events", "topups", "book", "deadletters", "records"]
Start = Literal["beginning", "end"] | int | datetime
_BY_ACCOUNT = ("events", "topups")
_LAST = 10

app = typer.Typer()


def start_of(text: str) -> Start:
    """Where to begin, from the command line. Raises InvalidTime."""
    if text in ("beginning", "end"):
        return cast(Literal["beginning", "end"], text)
    return int(text) if text.isascii() and text.isdigit() else time_of(text, "--from")


@app.command(epilog="Example: ledger tail --account acct_42 --last 20 --no-follow")
def tail(
    topic: Annotated[TopicName, typer.Argument(help='The topic, named without "ledger."')] = "events",
    start: Annotated[
        str,
        typer.Option("--from", help="Begin at: beginning, end, an offset, or a log time such as 2026-11-21T10:00:00Z."),
    ] = "",
    last: Annotated[
        int | None, typer.Option(min=1, help="Begin with the last N records that pass the filters.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only this account; reads only its partition.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only this type, such as usage.recorded.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for new records at the end of the log.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Show records of the log as they come: time, partition/offset, account, type, signature, data.

    It begins at the end of the log; with --no-follow, with the last 10 records. Records of one partition are in order.
    An unreadable record is shown with the reason. Ctrl-C stops it.
    """
    if last is not None and start:
        raise typer.BadParameter("--last and --from can't be combined")
    if account is not None and topic not in _BY_ACCOUNT:
        raise typer.BadParameter(f"--account works only with {' and '.join(_BY_ACCOUNT)}")
    if not (start or last or follow):
        last = _LAST
    with errors_as_messages(), _ending_quietly():
        from ledger.cli.record_lines import RecordFilter
        from ledger.log.topic_reader import topic_reader

        begin = start_of(start or "end")
        settings, name = read_settings(), f"ledger.{topic}"
        record_filter = RecordFilter(name, settings.secrets, account, type_)
        with topic_reader(settings, settings.topic(name), account) as reader:
            for some in _shown(reader, record_filter, begin, last, follow):
                for shown in some:
                    print(shown.json_fields() if as_json else shown.line())
                sys.stdout.flush()


def _shown(
    reader: "TopicReader", record_filter: "RecordFilter", begin: Start, last: int | None, follow: bool
) -> Iterator[Iterator["ShownRecord"]]:
    """The records that pass the filter, one fetch at a time."""
    if last is not None:
        yield filter(None, map(record_filter.shown, reader.last(last, record_filter.passes)))
    reader.seek(begin)
    for records in reader.records(follow=follow):
        yield filter(None, map(record_filter.shown, records))


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Treats Ctrl-C and a closed pipe (`| head`) as a normal end."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # for terminals that lack characters
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit does not fail
