"""`ledger bench`: benchmarks of this machine."""

import json
from collections.abc import Callable
from typing import Annotated, Protocol, TypeVar

import typer
from rich.console import Console

from ledger.cli.shared import Json, Workers, console, errors_as_messages


class _JsonFields(Protocol):
    def json_fields(self) -> dict[str, object]: ...


_Plan = TypeVar("_Plan")
_Result = TypeVar("_Result", bound=_JsonFields)

app = typer.Typer(no_args_is_help=True, help="Benchmarks of this machine.")


@app.command("projection", epilog="Example: ledger bench projection --events 200000 --json")
def projection(
    workers: Workers = 2,
    events: Annotated[int, typer.Option(min=1, help="Events that are on the log before the workers start.")] = 500_000,
    accounts: Annotated[int, typer.Option(min=1, help="How many accounts the events are for.")] = 10_000,
    partitions: Annotated[int, typer.Option(min=1, max=256, help="Partitions of ledger.events.")] = 4,
    rate: Annotated[
        int, typer.Option(min=1, help="Events per second while the time until visible is measured.")
    ] = 1_000,
    seconds: Annotated[float, typer.Option(min=1, help="How many seconds that is measured.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed makes the same events.")] = 20261121,
    as_json: Json = False,
) -> None:
    """Measure how fast the projectors fold the log: events/s, time until visible, and raw COPY of the same rows.

    It starts its own Kafka and Postgres and removes them afterwards. The exit code is 1 if a result is not exact.
    """
    from ledger.bench.projection import Plan, print_result, run

    result = _measured(run, Plan(workers, events, accounts, partitions, rate, seconds, seed), print_result, as_json)
    raise typer.Exit(0 if result.exact else 1)


@app.command("top-ups", epilog="Example: ledger bench top-ups --accounts 50 --json")
def top_ups(
    accounts: Annotated[int, typer.Option(min=1, help="How many accounts cross their thresholds at once.")] = 50,
    rounds: Annotated[int, typer.Option(min=1, help="How often they cross.")] = 10,
    provider_ms: Annotated[
        int, typer.Option(min=0, help="Milliseconds that a charge takes the payment provider.")
    ] = 200,
    as_json: Json = False,
) -> None:
    """Measure how long an auto top-up takes, from crossing the threshold until the views show the credits.

    It starts its own Kafka, Postgres and payment sandbox and removes them afterwards. The exit code is 1 if a crossing
    was not charged exactly once.
    """
    from ledger.bench.top_ups import Plan, print_result, run

    result = _measured(run, Plan(accounts, rounds, provider_ms), print_result, as_json)
    raise typer.Exit(0 if result.exact else 1)


@app.command("gate", epilog="Example: ledger bench gate --seconds 5 --json")
def gate(
    seconds: Annotated[float, typer.Option(min=1, help="Seconds per load.")] = 10,
    accounts: Annotated[int, typer.Option(min=1, help="How many accounts the requests are for.")] = 10_000,
    rate: Annotated[int, typer.Option(min=1, help="Requests per second in the load at a fixed rate.")] = 1_000,
    processes: Annotated[int, typer.Option(min=1, help="How many API processes share the port.")] = 1,
    as_json: Json = False,
) -> None:
    """Measure how many authorizations per second the gate decides, and how fast: at 1 to 256 connections and at a fixed
    rate.

    It starts its own Kafka and Postgres and removes them afterwards. The exit code is 1 if the held amounts are not
    exact.
    """
    from ledger.bench.gate import Plan, print_result, run

    result = _measured(run, Plan(processes, seconds=seconds, accounts=accounts, rate=rate), print_result, as_json)
    raise typer.Exit(0 if result.exact else 1)


@app.command("history", epilog="Example: ledger bench history --entries 100000 --json")
def history(
    entries: Annotated[int, typer.Option(min=1_000, help="Entries of the account.")] = 1_000_000,
    times: Annotated[int, typer.Option(min=20, help="How often each page is requested.")] = 200,
    as_json: Json = False,
) -> None:
    """Measure how fast the billing page shows the history of an account with very many entries.

    It starts its own Kafka and Postgres and removes them afterwards.
    """
    from ledger.bench.history import Plan, print_result, run

    _measured(run, Plan(entries, times), print_result, as_json)


@app.command("invoices", epilog="Example: ledger bench invoices --count 100 --json")
def invoices(
    count: Annotated[int, typer.Option(min=1, help="How many PDFs to render.")] = 200,
    as_json: Json = False,
) -> None:
    """Measure how long an invoice takes to render as PDF. The exit code is 1 if the median is above 50 ms."""
    from ledger.bench.invoices import run

    with errors_as_messages():
        result = run(count, Console(stderr=True))
    if as_json:
        print(json.dumps(result.json_fields()))
    else:
        times = f"median {result.median} ms, p95 {result.p95} ms, the first one {result.first} ms"
        console.print(f"{count} PDFs of {result.bytes_each:,} bytes: {times}")
    raise typer.Exit(0 if result.median <= 50 else 1)


def _measured(
    run: Callable[[_Plan, Console], _Result],
    plan: _Plan,
    print_result: Callable[[Console, _Result], None],
    as_json: bool,
) -> _Result:
    """Runs a plan and prints the result. With `--json`, the table for people goes to stderr."""
    shown = Console(stderr=True) if as_json else console
    with errors_as_messages():
        result = run(plan, shown)
    print_result(shown, result)
    if as_json:
        print(json.dumps(result.json_fields()))
    return result
