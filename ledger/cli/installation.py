"""`ledger migrate` and `topics`: what must stand before anything runs."""

import json
from typing import Annotated

import typer

from ledger.cli.shared import Json, console, failing_in_words, table_of
from ledger.settings import Settings

app = typer.Typer()


@app.command(epilog="Example: ledger migrate")
def migrate(as_json: Json = False) -> None:
    """Bring the database up to this version; safe to repeat."""
    from ledger.records.migrate import migrate

    with failing_in_words():
        ran = migrate(Settings().database)
    if as_json:
        print(json.dumps({"ran": ran}))
    else:
        console.print(f"Ran {', '.join(ran)}." if ran else "Nothing to do.")


@app.command(epilog="Example: ledger topics --create")
def topics(
    create: Annotated[bool, typer.Option("--create", help="Make the topics that are missing.")] = False,
    as_json: Json = False,
) -> None:
    """List the topics and see that they are those that the ledger was built on."""
    import psycopg

    from ledger.log.topics import check_topics, create_topics
    from schemas.topics import TOPICS

    settings = Settings()
    with failing_in_words():
        made = create_topics(settings) if create else []
        with psycopg.connect(settings.database) as connection:
            partitions = check_topics(settings, connection)
    lines = [
        {
            "name": settings.topic(topic.name),
            "partitions": topic.partitions or partitions,
            "key": topic.key,
            "holds": topic.holds,
            "created": settings.topic(topic.name) in made,
        }
        for topic in TOPICS
    ]
    if as_json:
        print(json.dumps({"data": lines}))
    else:
        console.print(table_of(lines, ("name", "partitions", "key", "holds")))
