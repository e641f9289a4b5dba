"""`ledger bench top-ups`: how long it takes from crossing the threshold until the views show the bought credits.

It starts a temporary Kafka, Postgres and payment sandbox, one projector and one charger as in production. In each round
all accounts cross at once, and each charge takes the provider a fixed time. **credited**: from when the round's usage
was sent until a query sees the balance that the top-up has restored.
"""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import stripe
from rich.console import Console
from rich.table import Table

from ledger.bench.machine import Machine
from ledger.core.errors import LedgerError
from ledger.dev.bootstrap import bootstrap
from ledger.dev.child_processes import Child, Children, environment_of, ledger_command, worker_commands
from ledger.dev.kafka import free_port
from ledger.dev.payments import payment_settings, sandbox_command
from ledger.dev.router import SOURCE
from ledger.dev.stack import Stack
from ledger.dev.visibility import Percentiles, percentiles_of
from ledger.log.publisher import Publisher
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
from ledger.postgres.types import Connection
from ledger.records import customers
from ledger.settings import Settings
from schemas.events import (
    Adjustment,
    AutoTopUpConfigured,
    CreditsAdjusted,
    Event,
    TopUpPolicy,
    Usage,
    UsageRecorded,
)
from schemas.identity import time_ordered_id
from schemas.signatures import SigningKey
from schemas.topics import EVENTS

# Each round spends what a top-up adds: 15, and ten percent of markup.
_COST, _TOP_UP, _THRESHOLD, _FULL = "15", "16.5", "20", "30"
_FULL_NANOS = 30 * 10**9
_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.005


class Plan(NamedTuple):
    """What to measure. `provider_ms`: how long a charge takes the provider."""

    accounts: int = 50
    rounds: int = 10
    provider_ms: int = 200


class Result(NamedTuple):
    """The figures. `charges`: as the provider counts them, with those of a first round that warms up."""

    plan: Plan
    machine: Machine
    credited_ms: Percentiles
    charges: int

    @property
    def exact(self) -> bool:
        """Whether each crossing had exactly one charge."""
        return self.charges == self.plan.accounts * (self.plan.rounds + 1)

    def json_fields(self) -> dict[str, object]:
        """The fields of the line of `--json`."""
        return {
            **self.plan._asdict(),
            **self.machine.json_fields(),
            "credited_ms": self.credited_ms._asdict(),
            "charges": self.charges,
            "exact": self.exact,
        }


class NotCredited(LedgerError):
    message = "Not all accounts have their credits in time"


def run(plan: Plan, console: Console) -> Result:
    """Measures with a new, temporary ledger."""
    machine, sandbox = Machine.here(), f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder, Stack(Path(folder)) as stack:
        settings = stack.settings(4, **payment_settings(stack.home, sandbox))
        bootstrap(settings)
        with (
            Children(console.print) as children,
            httpx.Client(base_url=sandbox, timeout=10) as control,
            Publisher(settings) as publisher,
            connect(settings.database, COMMAND_AUTOCOMMIT) as views,
        ):
            _start(children, settings, sandbox, control)
            accounts = [f"acct_{number}" for number in range(plan.accounts)]
            _prepare(accounts, settings, publisher, views)
            fault = {"fault": "slow", "operation": "payment_intents.create", "seconds": plan.provider_ms / 1000}
            control.post("/sandbox/faults", json={**fault, "provider": "stripe"}).raise_for_status()
            _round(accounts, publisher, views)  # a first round, to load code and make connections
            milliseconds: list[float] = []
            for number in range(plan.rounds):
                console.print(f"Round {number + 1} of {plan.rounds}", style="dim")
                milliseconds += _round(accounts, publisher, views)
            calls = control.get("/sandbox").json()["calls"]["stripe"]
        return Result(plan, machine, percentiles_of(milliseconds), calls["payment_intents.create"])


def print_result(console: Console, result: Result) -> None:
    """Prints the figures as a table."""
    plan, credited = result.plan, result.credited_ms
    table = Table(title=str(result.machine), show_header=False)
    table.add_row("crossings", f"{plan.rounds} rounds of {plan.accounts} accounts at once")
    table.add_row("a charge takes the provider", f"{plan.provider_ms} ms")
    table.add_row("credited after", f"p50 {credited.p50} ms, p95 {credited.p95} ms, p99 {credited.p99} ms")
    table.add_row("charges", f"{result.charges:,}, {'one' if result.exact else 'NOT one'} per crossing")
    console.print(table)


def _start(children: Children, settings: Settings, sandbox: str, control: httpx.Client) -> None:
    """Starts projector, charger and sandbox, and waits until the sandbox answers."""
    commands = dict(worker_commands(1))
    commands["sandbox"] = sandbox_command(settings.home, sandbox, "")
    commands["charger"] = ledger_command("consume", "charge-top-ups")
    for name, command in commands.items():
        children.add(Child(name, command, environment_of(settings), settings.home / f"{name}.log"))
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            control.get("/sandbox").raise_for_status()
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _prepare(accounts: list[str], settings: Settings, publisher: Publisher, views: Connection) -> None:
    """Gives each account a card, a policy, and 30 credits."""
    key = settings.signing_key()
    base: Any = {"api": settings.stripe_url}
    api = stripe.StripeClient(settings.stripe_secret_key.get_secret_value(), base_addresses=base).v1
    for account in accounts:
        customer = api.customers.create({"metadata": {"account": account}}).id
        method = api.payment_methods.attach("pm_card_visa", {"customer": customer}).id
        customers.put(views, account, "stripe", customer)
        views.execute("INSERT INTO records.profiles (account_id, country) VALUES (%s, 'DE')", [account])
        gift = Adjustment(amount=_FULL, reason_code="gift", actor_id="bench")
        _append(publisher, CreditsAdjusted(source="bench", id=time_ordered_id(), subject=account, data=gift), key)
        policy = TopUpPolicy(
            enabled=True, threshold=_THRESHOLD, amount=_TOP_UP, provider="stripe", payment_method_id=method
        )
        _append(publisher, AutoTopUpConfigured(source="bench", id=time_ordered_id(), subject=account, data=policy), key)
    _wait_until_full(accounts, views)


def _round(accounts: list[str], publisher: Publisher, views: Connection) -> Iterable[float]:
    """All accounts cross at once. Returns how many milliseconds each took until it was full again."""
    before = _sequence_numbers(views)
    sent_at = time.monotonic()
    for append in [publisher.append_event(EVENTS, _usage(account)) for account in accounts]:
        append.position()
    return [(at - sent_at) * 1000 for at in _wait_until_full(accounts, views, before).values()]


def _wait_until_full(accounts: list[str], views: Connection, before: dict[str, int] | None = None) -> dict[str, float]:
    """When each account was first seen with all its credits, two entries after `before`. Raises NotCredited."""
    seen: dict[str, float] = {}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(seen) < len(accounts):
        now = time.monotonic()
        if now > deadline:
            raise NotCredited(f"{len(accounts) - len(seen)} of {len(accounts)}")
        for account, seq in _sequence_numbers(views, full=True).items():
            if before is None or seq >= before[account] + 2:
                seen.setdefault(account, now)
        time.sleep(_LOOK_SECONDS)
    return seen


def _sequence_numbers(views: Connection, *, full: bool = False) -> dict[str, int]:
    """How many entries each account has. `full`: only accounts with all their credits."""
    rows = views.execute("SELECT account_id, seq FROM views.balances WHERE balance = %s OR NOT %s", [_FULL_NANOS, full])
    return dict(rows.fetchall())


def _append(publisher: Publisher, event: Event, key: SigningKey) -> None:
    publisher.append_event(EVENTS, event, key).position()


def _usage(account: str) -> UsageRecorded:
    call = Usage(
        request_id="bench",
        provider="openai",
        model="gpt-4o",
        mode="auto",
        input_tokens=1,
        output_tokens=1,
        provider_cost=_COST,
    )
    return UsageRecorded(source=SOURCE, id=time_ordered_id(), subject=account, data=call)
