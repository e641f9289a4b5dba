"""`ledger bootstrap`, `migrate` and `topics`: what must stand before anything runs."""

import json
from typing import Annotated

import typer

from ledger.cli.asking import Yes, confirm
from ledger.cli.shared import Json, console, failing_in_words, read_settings, table_of

app = typer.Typer()


@app.command(epilog="Example: ledger migrate")
def migrate(as_json: Json = False) -> None:
    """Bring the database up to this version; safe to repeat."""
    from ledger.records.migrate import migrate

    with failing_in_words():
        ran = migrate(read_settings().database)
    if as_json:
        print(json.dumps({"ran": ran}))
    else:
        console.print(f"Ran {', '.join(ran)}." if ran else "Nothing to do.")


@app.command(epilog="Example: ledger bootstrap --book deploy/first-book.json")
def bootstrap(
    book: Annotated[typer.FileText, typer.Option(encoding="utf-8", help="The first version of the book, as JSON.")],
    as_json: Json = False,
) -> None:
    """Make an empty broker and an empty database a ledger: schema, topics, first book. Safe to repeat.

    A file without signing_keys means this process's signing key. Where a book is already, the file is not looked at.
    """
    from ledger.dev.bootstrap import bootstrap, first_version_of

    with failing_in_words():
        settings = read_settings()
        published = bootstrap(settings, lambda: first_version_of(book.read(), settings.signing_key_id))
    if as_json:
        print(json.dumps({"published": published}))
    else:
        console.print("The first book is published." if published else "There is a book already.")


@app.command(epilog="Example: ledger topics --create")
def topics(
    create: Annotated[bool, typer.Option("--create", help="Make the topics that are missing.")] = False,
    take_over: Annotated[
        bool, typer.Option("--claim", help="Take the log over from a database that is gone for ever.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """List the topics and see that they are those that the ledger was built on."""
    from ledger.log.topics import check_topics, create_topics
    from ledger.records.claiming import claim
    from ledger.records.release import connect
    from schemas.topics import TOPICS

    with failing_in_words():
        settings = read_settings()
        made = create_topics(settings) if create else []
        with connect(settings.database, views=False) as connection:  # a rebuild needs the topics first
            if take_over:
                confirm("Take the log over? The database that folded it is refused from then on.", yes=yes)
                claim(settings, connection, take_over=True)
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
