"""`ledger bench`: measurements on this machine."""

import json
from collections.abc import Callable
from typing import Annotated, Protocol, TypeVar

import typer
from rich.console import Console

from ledger.cli.shared import Json, Workers, console, failing_in_words


class _JsonFields(Protocol):
    def json_fields(self) -> dict[str, object]: ...


_Plan = TypeVar("_Plan")
_Result = TypeVar("_Result", bound=_JsonFields)

app = typer.Typer(no_args_is_help=True, help="Measure on this machine.")


@app.command("projection", epilog="Example: ledger bench projection --events 200000 --json")
def projection(
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

    result = _measured(run, Plan(workers, events, accounts, partitions, rate, seconds, seed), print_result, as_json)
    raise typer.Exit(0 if result.exact else 1)


@app.command("top-ups", epilog="Example: ledger bench top-ups --accounts 50 --json")
def top_ups(
    accounts: Annotated[int, typer.Option(min=1, help="Accounts that cross their thresholds at once.")] = 50,
    rounds: Annotated[int, typer.Option(min=1, help="How often all of them do.")] = 10,
    provider_ms: Annotated[int, typer.Option(min=0, help="How long the payment provider takes for a charge.")] = 200,
    as_json: Json = False,
) -> None:
    """Measure how long a crossing takes to be credits: threshold, trigger, charge, event, view.

    Starts a Kafka, a Postgres and a payment sandbox of its own and leaves nothing behind. The exit code is 1 if a
    crossing was not charged exactly once.
    """
    from ledger.bench.top_ups import Plan, print_result, run

    result = _measured(run, Plan(accounts, rounds, provider_ms), print_result, as_json)
    raise typer.Exit(0 if result.exact else 1)


@app.command("gate", epilog="Example: ledger bench gate --seconds 5 --json")
def gate(
    seconds: Annotated[float, typer.Option(min=1, help="How long each load lasts.")] = 10,
    accounts: Annotated[int, typer.Option(min=1, help="Accounts that the requests are spread over.")] = 10_000,
    rate: Annotated[int, typer.Option(min=1, help="Requests a second in the open loop.")] = 1_000,
    processes: Annotated[int, typer.Option(min=1, help="Processes of the API behind its port.")] = 1,
    as_json: Json = False,
) -> None:
    """Measure how many authorizations a second are decided, and how fast: at 1 to 256 connections and at a fixed rate.

    Starts a Kafka and a Postgres of its own and leaves nothing behind. The exit code is 1 if what is held is not exact.
    """
    from ledger.bench.gate import Plan, print_result, run

    result = _measured(run, Plan(processes, seconds=seconds, accounts=accounts, rate=rate), print_result, as_json)
    raise typer.Exit(0 if result.exact else 1)


@app.command("history", epilog="Example: ledger bench history --entries 100000 --json")
def history(
    entries: Annotated[int, typer.Option(min=1_000, help="Entries of the one account.")] = 1_000_000,
    times: Annotated[int, typer.Option(min=20, help="How often each page is asked for.")] = 200,
    as_json: Json = False,
) -> None:
    """Measure how fast the billing page shows the history of one account with very many entries.

    Starts a Kafka and a Postgres of its own and leaves nothing behind.
    """
    from ledger.bench.history import Plan, print_result, run

    _measured(run, Plan(entries, times), print_result, as_json)


@app.command("invoices", epilog="Example: ledger bench invoices --count 100 --json")
def invoices(
    count: Annotated[int, typer.Option(min=1, help="How many PDFs are set.")] = 200,
    as_json: Json = False,
) -> None:
    """Measure how long an invoice takes to be set as PDF. The exit code is 1 if the median is above 50 ms."""
    from ledger.bench.invoices import run

    with failing_in_words():
        result = run(count, Console(stderr=True))
    if as_json:
        print(json.dumps(result.json_fields()))
    else:
        said = f"median {result.median} ms, p95 {result.p95} ms, the first one {result.first} ms"
        console.print(f"{count} PDFs of {result.bytes_each:,} bytes: {said}")
    raise typer.Exit(0 if result.median <= 50 else 1)


def _measured(
    run: Callable[[_Plan, Console], _Result],
    plan: _Plan,
    print_result: Callable[[Console, _Result], None],
    as_json: bool,
) -> _Result:
    """Runs a plan and shows what came out: to people on stderr when stdout is for programs."""
    shown = Console(stderr=True) if as_json else console
    with failing_in_words():
        result = run(plan, shown)
    print_result(shown, result)
    if as_json:
        print(json.dumps(result.json_fields()))
    return result
