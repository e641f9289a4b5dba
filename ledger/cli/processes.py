"""`ledger dev`, `project`, `consume` and `serve`: commands that run until they are stopped."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ledger.cli.shared import Workers, console, errors_as_messages, read_settings

app = typer.Typer()


@app.command(epilog="Example: ledger dev --for 60 --json")
def dev(
    home: Annotated[
        Path | None, typer.Option(help="Folder for all data. Default: LEDGER_HOME, or else .ledger.")
    ] = None,
    no_traffic: Annotated[
        bool, typer.Option("--no-traffic", help="Start everything without simulated traffic.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(help="Replay a CSV (TIMESTAMP, ContextTokens, GeneratedTokens) as traffic, each event twice."),
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Replay at N times real time. Default: full speed.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--for", min=0, help="Stop after this many seconds.")] = None,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Projector processes; 0 for none, as for a rebuild.")] = 1,
    api_port: Annotated[int | None, typer.Option(help="Port of the API. Default: 8080, or a free one.")] = None,
    kafka_port: Annotated[int | None, typer.Option(help="Port of Kafka. Default: a free one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, in the last line.")] = False,
) -> None:
    """Run a whole ledger on this machine: Kafka, Postgres, projector, API, and a simulated router with its stories.

    No other software is needed. Ctrl-C stops everything and proves the numbers; the exit code is 1 if a check fails.
    """
    from ledger.dev.run import Options, run
    from ledger.dev.session import Traffic
    from ledger.dev.stories import STORIES
    from ledger.dev.summary import print_summary
    from ledger.dev.trace_replay import read_trace

    shown = Console(stderr=True) if as_json else console
    with errors_as_messages(service=True):
        rows = read_trace(trace) if trace else None
        traffic = Traffic(() if no_traffic or trace else STORIES, rows, speed, seconds)
        summary = run(Options(home or read_settings().home, workers, api_port, kafka_port), traffic, shown)
    print_summary(shown, summary)
    if as_json:
        print(json.dumps(summary.json_fields()))
    raise typer.Exit(0 if summary.proven else 1)


@app.command(epilog="Example: ledger project --workers 2")
def project(workers: Workers = 1) -> None:
    """Fold the log into Postgres until stopped.

    With several workers, each is a process that is restarted if it ends.
    """
    with errors_as_messages(service=True):
        if workers == 1:
            from projectors.worker import run

            run(read_settings())
            return
        from ledger.dev.child_processes import keep_workers

        keep_workers(workers, read_settings())


@app.command(epilog="Example: ledger consume dead-letters payment-sweep")
def consume(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAMES]...", help="The consumers to run. Default: all.")
    ] = None,
) -> None:
    """Run the consumers, which act on what is on the log, until stopped.

    dead-letters logs and counts records that could not be applied.

    payment-sweep asks the payment providers for payments that no webhook reported, and reports differences. Of several
    processes only one does so.

    charge-top-ups charges each triggered auto top-up once. With LEDGER_PAYMENTS=off another program must charge them.

    invoices makes a numbered document for each purchase and refund, if LEDGER_SUPPLIER is set.

    notifications informs customers and routers by webhook and e-mail.

    housekeeping ends expired holds, requests top-ups after refused authorizations, and drops old rows.

    Logs are JSON on stderr; metrics are at LEDGER_CONSUMER_METRICS_PORT. If a process fails, nothing is lost: start it
    again, and it continues with the unfinished work.
    """
    from consumers.process import run

    with errors_as_messages(service=True):
        run(read_settings(), names or ())


@app.command(epilog="Example: ledger serve")
def serve() -> None:
    """Serve the HTTP API until stopped."""
    from ledger.server.serve import serve

    with errors_as_messages(service=True):
        serve(read_settings())
