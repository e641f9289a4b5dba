"""`ledger publish`: appends events from a file or a pipe to the log."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from ledger.cli.shared import Json, errors_as_messages, read_settings

if TYPE_CHECKING:
    from ledger.log.ndjson import Line, Publication
    from ledger.settings import Settings

_SHOWN_EVERY = 100

app = typer.Typer()


class _Counts:
    """What the command has done so far."""

    def __init__(self) -> None:
        self.read = 0
        self.published = 0
        self.began = time.monotonic()

    def json_fields(self) -> dict[str, object]:
        seconds = time.monotonic() - self.began
        rate = round(self.published / seconds) if seconds else 0
        return {
            "read": self.read,
            "published": self.published,
            "seconds": round(seconds, 3),
            "events_per_second": rate,
        }


@app.command(epilog="Example: ledger publish usage.ndjson")
def publish(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(metavar="[FILE]", help='File with one event per line; "-" for stdin.')
    ] = "-",  # type: ignore[assignment]  # Typer opens it
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign events that a router may not send, with the key LEDGER_SIGNING_KEY_ID.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check the lines; publish nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Append CloudEvents to ledger.events: JSON, one event per line. For an array, jq -c '.[]' makes such lines.

    It stops at the first line that is not a valid event or may not be sent, and prints its number; the lines before it
    are published. Publishing a file again is harmless: the same event counts once.
    """
    counts = _Counts()
    try:
        with errors_as_messages():
            _publish(cast(BinaryIO, file), read_settings(), sign, check, counts)
    finally:
        _say(counts, check, as_json)


def _publish(stream: BinaryIO, settings: "Settings", sign: bool, check: bool, counts: _Counts) -> None:
    from ledger.guard.guard import Guard
    from ledger.log.ndjson import Publication, lines_of
    from ledger.log.publisher import Publisher

    key = settings.signing_key() if sign else None
    lines = _counted(lines_of(stream, key), _lines_in(stream), "Checking" if check else "Publishing", counts)
    if check:
        for _ in lines:
            pass
        return
    with Guard(settings) as guard, Publisher(settings, guard) as publisher:
        _append_all(Publication(publisher), lines, counts)


def _append_all(publication: "Publication", lines: Iterator["Line"], counts: _Counts) -> None:
    try:
        with publication:
            for line in lines:
                publication.append(line)
    finally:
        counts.published = publication.published


def _counted(lines: Iterator["Line"], total: int | None, what: str, counts: _Counts) -> Iterator["Line"]:
    """The given lines. Counts them and shows a progress bar."""
    from ledger.cli.progress_bars import ProgressBars

    with ProgressBars() as bar:
        bar.begin(what, total)
        for line in lines:
            counts.read += 1
            if counts.read % _SHOWN_EVERY == 0:  # an update costs as much as several events
                bar.reach(counts.read)
            yield line
        bar.reach(counts.read)


def _lines_in(stream: BinaryIO) -> int | None:
    """How many lines a file has; None for a pipe."""
    if not stream.seekable():
        return None
    begin = stream.tell()
    count = sum(part.count(b"\n") for part in iter(lambda: stream.read(1 << 20), b""))
    stream.seek(begin)
    return count


def _say(counts: _Counts, check: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(counts.json_fields()))
    elif check:
        print(f"{counts.read:,} events are valid; nothing was published.")
    else:
        print(f"Published {counts.published:,} events.")
