"""`ledger dev`, `project`, `consume` and `serve`: the commands that run until they are told to stop."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ledger.cli.shared import Workers, console, failing_in_words, read_settings

app = typer.Typer()


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
    workers: Annotated[int, typer.Option(min=0, max=64, help="Projector processes; 0: none, to rebuild.")] = 1,
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
    from ledger.dev.trace_replay import read_trace

    shown = Console(stderr=True) if as_json else console
    with failing_in_words(service=True):
        rows = read_trace(trace) if trace else None
        traffic = Traffic(() if no_traffic or trace else STORIES, rows, speed, seconds)
        summary = run(Options(home or read_settings().home, workers, api_port, kafka_port), traffic, shown)
    print_summary(shown, summary)
    if as_json:
        print(json.dumps(summary.json_fields()))
    raise typer.Exit(0 if summary.proven else 1)


@app.command(epilog="Example: ledger project --workers 2")
def project(workers: Workers = 1) -> None:
    """Fold the log into Postgres until told to stop. More than one worker: each is a process, restarted if it ends."""
    with failing_in_words(service=True):
        if workers == 1:
            from projectors.worker import run

            run(read_settings())
            return
        from ledger.dev.child_processes import keep_workers

        keep_workers(workers, read_settings())


@app.command(epilog="Example: ledger consume dead-letters payment-sweep")
def consume(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAMES]...", help="Which ones. Default: all.")] = None,
) -> None:
    """Do what follows from the log until told to stop.

    dead-letters logs and counts what could not be applied. payment-sweep asks the payment providers for what webhooks
    missed, and says where they and the ledger differ; of many processes one does. charge-top-ups charges what auto
    top-up triggers, once, and goes on with what is not over; with LEDGER_PAYMENTS=off somebody else has to. invoices
    numbers a document for each purchase and refund, once LEDGER_SUPPLIER says whose they are. notifications tells
    customers and routers, over webhooks and by e-mail.

    Logs are JSON on stderr, metrics at LEDGER_CONSUMER_METRICS_PORT. A process that fails has lost nothing: start it
    again, and what was not finished comes again.
    """
    from consumers.process import run

    with failing_in_words(service=True):
        run(read_settings(), names or ())


@app.command(epilog="Example: ledger serve")
def serve() -> None:
    """Serve the HTTP API until told to stop."""
    from ledger.server.serve import serve

    with failing_in_words(service=True):
        serve(read_settings())
