"""`ledger publish`: events from a file or a pipe onto the log."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from ledger.cli.shared import Json, failing_in_words, read_settings

if TYPE_CHECKING:
    from ledger.log.ndjson import Line, Publication
    from ledger.settings import Settings

_SHOWN_EVERY = 100

app = typer.Typer()


class _Counts:
    """What has come of it so far."""

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
        typer.FileBinaryRead, typer.Argument(metavar="[FILE]", help='One event per line; "-" is stdin.')
    ] = "-",  # type: ignore[assignment]  # Typer opens it
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign, with LEDGER_SIGNING_KEY_ID, the events that a router may not send.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check the lines; publish nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Append CloudEvents to ledger.events: JSON, one event per line. jq -c '.[]' makes such lines of an array.

    Ends at the first line that is no event or may not be sent, with its number; those before it are published.
    Publishing a file again is harmless: the same event counts once.
    """
    counts = _Counts()
    try:
        with failing_in_words():
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
    """The same lines, counted and shown as progress."""
    from ledger.cli.bars import Stages

    with Stages() as bar:
        bar.begin(what, total)
        for line in lines:
            counts.read += 1
            if counts.read % _SHOWN_EVERY == 0:  # an update costs as much as several events
                bar.reach(counts.read)
            yield line
        bar.reach(counts.read)


def _lines_in(stream: BinaryIO) -> int | None:
    """How many lines a file has; None for a pipe, whose end nobody knows."""
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
        print(f"{counts.read:,} events are as they should be; nothing was published.")
    else:
        print(f"Published {counts.published:,} events.")
