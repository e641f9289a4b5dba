"""`ledger log`: what a person decides about the log itself."""

import json
from typing import Annotated

import typer

from ledger.cli.shared import Json, failing_in_words, read_settings

app = typer.Typer(no_args_is_help=True, help="Decisions about the log itself.")


@app.callback()
def _group() -> None:
    """A group, also while it has one command."""


@app.command("skip", epilog='Example: ledger log skip events/3/1128 --to 1140 --reason "disk 2 failed, no replica"')
def skip(
    place: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="As the worker's log names it.")],
    reason: Annotated[str, typer.Option(help="Why; the dead letter says it.")],
    to: Annotated[int | None, typer.Option(min=0, help="The last offset. Default: the end of the batch.")] = None,
    as_json: Json = False,
) -> None:
    """Go on without records that can't be read: a broken checksum, a codec that does not exist, a batch cut short.

    Restore them first if anything has a copy: what is passed over is lost to this ledger, and counts as one dead letter
    with the code unreadable. Every later fold decides the same. Refused where the log can be read.
    """
    from ledger.cli.dead_letters import place_of
    from projectors.passing_over import pass_over
    from schemas.topics import EVENTS

    with failing_in_words():
        settings = read_settings()
        topic, partition, offset = place_of(place, settings)
        if topic != settings.topic(EVENTS):
            raise typer.BadParameter("only ledger.events is folded", param_hint="PLACE")
        decided = pass_over(settings, partition, offset, to, reason)
    if as_json:
        told = {"topic": topic, "partition": partition, "first_offset": decided.first, "last_offset": decided.last}
        print(json.dumps(told | {"reason": decided.record().problem.reason}))
    else:
        print(f"{topic}/{partition}: {decided.record().problem}")
