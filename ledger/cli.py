"""The command line: every command is a few lines here, and its work lives in its part of the program.

What prints data takes `--json`. Imports stay inside the commands, so that each loads only what it runs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ledger.settings import Settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="The prepaid-credit ledger.")
bench = typer.Typer(no_args_is_help=True, help="Measure on this machine.")
keys = typer.Typer(no_args_is_help=True, help="Keys of the HTTP API.")
app.add_typer(bench, name="bench")
app.add_typer(keys, name="keys")

console = Console()
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Projector processes.")]


@app.command(epilog="Example: ledger dev --for 60 --json")
def dev(
    home: Annotated[Path | None, typer.Option(help="Where state is kept. Default: LEDGER_HOME, else .ledger.")] = None,
    no_traffic: Annotated[bool, typer.Option("--no-traffic", help="Start everything, but no stories.")] = False,
    trace: Annotated[
        Path | None, typer.Option(help="Replay a CSV (TIMESTAMP, ContextTokens, GeneratedTokens), each event twice.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Replay at N times real time. Default: full speed.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--for", min=0, help="End by itself after so many seconds.")] = None,
    workers: Workers = 1,
    api_port: Annotated[int | None, typer.Option(help="Port of the API. Default: 8080, or a free one.")] = None,
    kafka_port: Annotated[int | None, typer.Option(help="Port of Kafka. Default: a free one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one last line of JSON.")] = False,
) -> None:
    """Run a whole ledger on this machine: Kafka, Postgres, projector, API, and a simulated router with its stories.

    Nothing has to be installed before. Ctrl-C stops everything and proves the numbers; the exit code is 1 if they
    don't hold.
    """
    from ledger.dev.run import Options, run
    from ledger.dev.session import Traffic
    from ledger.dev.stories import STORIES
    from ledger.dev.summary import print_summary
    from ledger.dev.trace import read_trace

    shown = Console(stderr=True) if as_json else console
    with failing_in_words():
        rows = read_trace(trace) if trace else None
        traffic = Traffic(() if no_traffic or trace else STORIES, rows, speed, seconds)
        summary = run(Options(home or Settings().home, workers, api_port, kafka_port), traffic, shown)
    print_summary(shown, summary)
    if as_json:
        print(json.dumps(summary.for_machines()))
    raise typer.Exit(0 if summary.proven else 1)


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


@app.command(epilog="Example: ledger project --workers 2")
def project(workers: Workers = 1) -> None:
    """Fold the log into Postgres until told to stop. More than one worker: each is a process, restarted if it ends."""
    with failing_in_words():
        if workers == 1:
            from projectors.worker import run

            run(Settings())
            return
        from ledger.dev.children import keep_workers

        keep_workers(workers, Settings(), lambda sentence: typer.echo(sentence, err=True))


@app.command(epilog="Example: ledger serve")
def serve() -> None:
    """Serve the HTTP API until told to stop."""
    from ledger.api.server import serve

    with failing_in_words():
        serve(Settings())


@app.command("trial-balance", epilog="Example: ledger trial-balance --json")
def trial_balance(as_json: Json = False) -> None:
    """What stands on every posting account: credits, and minor units of each currency.

    Each unit must sum to zero; the exit code is 1 if one doesn't.
    """
    import psycopg

    from ledger.views.trial_balance import trial_balance

    with failing_in_words(), psycopg.connect(Settings().database) as connection:
        found = trial_balance(connection)
    if as_json:
        print(json.dumps({"data": [line.shown() for line in found.lines], "balanced": found.balanced}))
    else:
        console.print(table_of([line.shown() for line in found.lines], ("account", "unit", "total")))
        console.print("Every unit sums to zero." if found.balanced else f"NOT balanced: {found.sums}")
    raise typer.Exit(0 if found.balanced else 1)


@keys.command("create", epilog="Example: ledger keys create --scope accounts:read --account acct_42")
def keys_create(
    scope: Annotated[list[str] | None, typer.Option(help="Repeat for several. Default: all scopes.")] = None,
    account: Annotated[str, typer.Option(help="Only this account. Default: an operator's key, for all.")] = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: Json = False,
) -> None:
    """Make a key of the HTTP API and show it, once."""
    import psycopg

    from ledger.records import api_keys

    with failing_in_words(), psycopg.connect(Settings().database) as connection:
        made = api_keys.create(connection, scope or api_keys.SCOPES, account, description)
    if as_json:
        print(json.dumps({"key_id": made.key_id, "key": made.token}))
    else:
        console.print(made.token, soft_wrap=True, highlight=False)
        typer.echo(f"This is the only time that the key {made.key_id} is shown.", err=True)


@bench.command("projection", epilog="Example: ledger bench projection --events 200000 --json")
def bench_projection(
    workers: Workers = 2,
    events: Annotated[int, typer.Option(min=1, help="Events that are on the log before the workers start.")] = 500_000,
    accounts: Annotated[int, typer.Option(min=1, help="Accounts that the events are spread over.")] = 10_000,
    partitions: Annotated[int, typer.Option(min=1, max=256, help="Partitions of ledger.events.")] = 4,
    rate: Annotated[int, typer.Option(min=1, help="Events a second while time to visible is measured.")] = 1_000,
    seconds: Annotated[float, typer.Option(min=1, help="How long that is measured.")] = 30,
    seed: Annotated[int, typer.Option(help="Another seed makes other events; the same one the same.")] = 20261121,
    as_json: Json = False,
) -> None:
    """Measure how fast the log becomes balances: events/s, time to visible, and raw COPY of the same rows beside it.

    Starts a Kafka and a Postgres of its own and leaves nothing behind. The exit code is 1 if anything is not exact.
    """
    from ledger.bench.projection import Plan, print_result, run

    shown = Console(stderr=True) if as_json else console
    with failing_in_words():
        result = run(Plan(workers, events, accounts, partitions, rate, seconds, seed), shown)
    print_result(shown, result)
    if as_json:
        print(json.dumps(result.for_machines()))
    raise typer.Exit(0 if result.exact else 1)


@contextmanager
def failing_in_words() -> Iterator[None]:
    """Errors that say what to do end the command with their message; all others keep their traceback."""
    from ledger.core.errors import LedgerError
    from ledger.dev.errors import EmbeddedStackError

    try:
        yield
    except (LedgerError, EmbeddedStackError, ExceptionGroup) as error:
        causes = list(leaves(error))
        if not all(isinstance(cause, (LedgerError, EmbeddedStackError)) for cause in causes):
            raise
        for cause in causes:
            typer.echo(f"Error: {cause}", err=True)
        raise typer.Exit(1) from None


def leaves(error: Exception) -> Iterator[Exception]:
    """The errors in a group of groups; an error that is no group is its own only leaf."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def table_of(lines: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """A plain table of some fields of each line."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*(str(line[column]) for column in columns))
    return table


if __name__ == "__main__":
    app()
