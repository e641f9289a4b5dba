"""`ledger migrate`, `bootstrap` and `topics`: set up the database, the topics and the first book."""

import json
from typing import Annotated

import typer

from ledger.cli.confirmation import Yes, confirm
from ledger.cli.shared import Json, console, errors_as_messages, read_settings, table_of

app = typer.Typer()


@app.command(epilog="Example: ledger migrate")
def migrate(as_json: Json = False) -> None:
    """Migrate the database to this version. Safe to repeat."""
    from ledger.records.migrate import migrate

    with errors_as_messages():
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
    """Set up a ledger on an empty broker and an empty database: schema, topics, first book. Safe to repeat.

    If the file has no signing_keys, this process's signing key is used. If there is a book already, the file is
    ignored.
    """
    from ledger.dev.bootstrap import bootstrap, first_version_of

    with errors_as_messages():
        settings = read_settings()
        published = bootstrap(settings, lambda: first_version_of(book.read(), settings.signing_key_id))
    if as_json:
        print(json.dumps({"published": published}))
    else:
        console.print("The first book is published." if published else "There is a book already.")


@app.command(epilog="Example: ledger topics --create")
def topics(
    create: Annotated[bool, typer.Option("--create", help="Create missing topics.")] = False,
    take_over: Annotated[
        bool, typer.Option("--claim", help="Take the log over from a database that no longer exists.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """List the topics and check that they are the ones that this ledger was built on."""
    from ledger.records.topics import install_topics

    with errors_as_messages():
        settings = read_settings()
        if take_over:
            confirm("Take the log over? The database that folded it before can't use it any longer.", yes=yes)
        lines = [topic._asdict() for topic in install_topics(settings, create=create, take_over=take_over)]
    if as_json:
        print(json.dumps({"data": lines}))
    else:
        console.print(table_of(lines, ("name", "partitions", "key", "holds")))
