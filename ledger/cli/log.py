"""`ledger log`: decisions of a person about the log."""

import json
from typing import Annotated

import typer

from ledger.cli.shared import Json, errors_as_messages, read_settings

app = typer.Typer(no_args_is_help=True, help="Decisions about the log.")


@app.callback()
def _group() -> None:
    """Makes `log` a group although it has only one command."""


@app.command("skip", epilog='Example: ledger log skip events/3/1128 --to 1140 --reason "disk 2 failed, no replica"')
def skip(
    place: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="The place, as in the worker's log.")],
    reason: Annotated[str, typer.Option(help="Why. The dead letter will have this text.")],
    to: Annotated[int | None, typer.Option(min=0, help="The last offset. Default: the end of the batch.")] = None,
    as_json: Json = False,
) -> None:
    """Skip records that can't be read: a broken checksum, an unknown codec, an incomplete batch.

    If a copy of the records exists, restore it first: skipped records are lost to this ledger. They count as one dead
    letter with the code unreadable, and each later rebuild skips them too. The command refuses to skip records that can
    be read.
    """
    from ledger.cli.dead_letters import place_of
    from projectors.skip_decision import decide_skip
    from schemas.topics import EVENTS

    with errors_as_messages():
        settings = read_settings()
        topic, partition, offset = place_of(place, settings)
        if topic != settings.topic(EVENTS):
            raise typer.BadParameter("only records of ledger.events can be skipped", param_hint="PLACE")
        decided = decide_skip(settings, partition, offset, to, reason)
    if as_json:
        fields = {"topic": topic, "partition": partition, "first_offset": decided.first, "last_offset": decided.last}
        print(json.dumps(fields | {"reason": decided.record().problem.reason}))
    else:
        print(f"{topic}/{partition}: {decided.record().problem}")
