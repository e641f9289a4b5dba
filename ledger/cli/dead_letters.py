"""`ledger deadletters`: records that could not be read or applied, why, and what to do about them."""

import base64
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.shared import Json, errors_as_messages, read_settings
from ledger.cli.tail import TopicName
from ledger.cli.times import time_of

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    from ledger.settings import Settings
    from ledger.views.dead_letters import DeadLetter

app = typer.Typer(no_args_is_help=True, help="Records that could not be read or applied.")


@app.command("list", epilog="Example: ledger deadletters list --code unpriced --since 2026-11-21T00:00:00Z")
def list_(
    code: Annotated[str | None, typer.Option(help="Only this code, such as invalid.")] = None,
    topic: Annotated[TopicName | None, typer.Option(help='Only this topic, named without "ledger."')] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only from this log time on, such as 2026-11-21T10:00:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first: time, place, code, account, reason."""
    from ledger.service import dead_letters

    with errors_as_messages():
        settings = read_settings()
        name = settings.topic(f"ledger.{topic}") if topic else None
        begin = time_of(since, "--since") if since else None
        found = dead_letters.newest(settings, code=code, topic=name, since=begin, limit=limit)
    if as_json:
        print(json.dumps({"data": [_fields(each) for each in found]}))
        return
    for each in found:
        print(_line(each))
    if not found:
        typer.echo("There are no dead letters.", err=True)


@app.command("show", epilog="Example: ledger deadletters show events/0/1234")
def show(
    place: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="The place, as in the list.")],
    as_json: Json = False,
) -> None:
    """Show one dead letter: the reason, what to do, and the whole record as it is on the log, escaped."""
    from ledger.service import dead_letters

    with errors_as_messages():
        settings = read_settings()
        letter, record = dead_letters.at(settings, *place_of(place, settings))
    if as_json:
        print(json.dumps(_fields(letter) | (_whole(record) if record else {})).replace("\x7f", "\\u007f"))
    else:
        _print(letter, record)


def place_of(text: str, settings: "Settings") -> tuple[str, int, int]:
    """Topic with its prefix, partition, offset. The topic may be given with or without "ledger." and the prefix."""
    parts = text.rsplit("/", 2)
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts[1:]):
        raise typer.BadParameter("write TOPIC/PARTITION/OFFSET, such as events/0/1234", param_hint="PLACE")
    topic = parts[0].removeprefix(settings.topic_prefix).removeprefix("ledger.")
    return settings.topic(f"ledger.{topic}"), int(parts[1]), int(parts[2])


def _fields(letter: "DeadLetter") -> dict[str, Any]:
    from ledger.cli.dead_letter_advice import advice_on
    from ledger.core.calendar import log_time_text

    fields = letter._asdict() | {"log_time": log_time_text(letter.log_time), "advice": advice_on(letter.code)}
    fields["offset"] = fields.pop("log_offset")
    return fields


def _whole(record: "ConsumerRecord") -> dict[str, Any]:
    """The record itself: as text, and its exact value as base64."""
    from ledger.cli.escaping import readable

    return {
        "key": None if record.key is None else readable(record.key),
        "headers": [[name, readable(value)] for name, value in record.headers],
        "value": readable(record.value),
        "value_base64": base64.b64encode(record.value or b"").decode(),
    }


def _line(letter: "DeadLetter") -> str:
    from ledger.cli.escaping import printable

    fields = _fields(letter)
    place = f"{letter.topic}/{letter.partition}/{letter.log_offset}"
    return printable(f"{fields['log_time']}  {place}  {letter.code}  {letter.account_id or '–'}  {letter}")


def _print(letter: "DeadLetter", record: "ConsumerRecord | None") -> None:
    from ledger.cli.escaping import printable, readable

    fields = _fields(letter)
    lines = {
        "record": f"{letter.topic}/{letter.partition}/{letter.log_offset}",
        "log time": fields["log_time"],
        "code": letter.code,
        "reason": str(letter),
        "what to do": fields["advice"],
        "account": letter.account_id,
        "type": letter.type,
        "event id": letter.event_id,
    }
    if record:
        lines["key"] = None if record.key is None else readable(record.key)
        lines |= {f"header {name}": readable(value) for name, value in record.headers}
        lines["value"] = f"{len(record.value or b'')} bytes"
    width = max(map(len, lines))
    for name, text in lines.items():
        if text is not None:
            print(printable(f"{name:<{width}}  {text}"))
    if record:
        print(readable(record.value))
