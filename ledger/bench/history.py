"""`ledger bench history`: how fast the billing page responds for an account with a million entries, over real HTTP.

It starts a temporary Kafka and Postgres, a projector and the API as in production. One browser requests one page after
another. The figure is how long it waits, with rendering, session and balance.
"""

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import httpx
from rich.console import Console
from rich.table import Table

from ledger.bench.event_load import EventLoad, preload
from ledger.bench.machine import Machine
from ledger.bench.progress_watch import api_ready
from ledger.bench.projection import StoppedProjecting
from ledger.dev.billing_page import page_link
from ledger.dev.bootstrap import bootstrap
from ledger.dev.child_processes import Child, Children, environment_of, ledger_command
from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from ledger.dev.visibility import nearest_rank
from ledger.portal.visits import COOKIE
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND, COMMAND_AUTOCOMMIT
from ledger.service.cursors import place_cursor
from ledger.settings import Settings
from ledger.views.history import HistoryPosition
from schemas.topics import EVENTS

ACCOUNT = "bench-0000000"
_PAGES = {
    "newest": "/history",
    "type deduction": "/history?type=deduction",
    "type checkout": "/history?type=checkout",
    "purchases": "/history?view=purchases",
    "one model": "/history?model=gpt-4o-mini",
    "overview": "",
    "usage": "/usage",
}
_STALLED_SECONDS = 60


class Plan(NamedTuple):
    """What to measure: how many entries the account has, and how often each page is requested."""

    entries: int = 1_000_000
    times: int = 200
    seed: int = 20261122


class Measured(NamedTuple):
    """The figures of one page, in milliseconds."""

    page: str
    p50: float
    p95: float
    slowest: float


class Result(NamedTuple):
    """The figures of all pages."""

    plan: Plan
    machine: Machine
    entries: int
    measured: tuple[Measured, ...]

    def json_fields(self) -> dict[str, object]:
        """The fields of the line of `--json`."""
        return {
            **self.plan._asdict(),
            "entries": self.entries,
            **self.machine.json_fields(),
            "measured": [each._asdict() for each in self.measured],
        }


def run(plan: Plan, console: Console) -> Result:
    """Measures with a new, temporary ledger. Raises StoppedProjecting."""
    machine = Machine.here()
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder, Stack(Path(folder)) as stack:
        settings = stack.settings(4, api_port=free_port())
        bootstrap(settings)
        console.print(f"Publishing {plan.entries:,} events of one account")
        made = EventLoad(plan.seed, 1).make(plan.entries)
        asyncio.run(preload(settings.kafka, settings.topic(EVENTS), settings.event_partitions, made, lambda _: None))
        with Children(console.print) as children:
            for name, command in (("worker", ledger_command("project")), ("api", ledger_command("serve"))):
                children.add(Child(name, command, environment_of(settings), stack.home / f"{name}.log"))
            console.print("Projecting them")
            entries = _projected(settings, plan.entries)
            measured = _measure(settings, plan, console)
    return Result(plan, machine, entries, tuple(measured))


def print_result(console: Console, result: Result) -> None:
    """Prints the figures as a table."""
    table = Table("page", "p50 ms", "p95 ms", "slowest ms", title=f"{result.entries:,} entries in the account")
    for each in result.measured:
        table.add_row(each.page, *(f"{number:.1f}" for number in each[1:]))
    console.print(table)


def _measure(settings: Settings, plan: Plan, console: Console) -> list[Measured]:
    cookie = httpx.get(page_link(settings, ACCOUNT)).headers["set-cookie"].partition(";")[0]
    assert cookie.startswith(COOKIE)
    rng, deep = random.Random(plan.seed), _places(settings, plan)
    base = f"http://{settings.api_host}:{settings.api_port}"
    with httpx.Client(base_url=base, headers={"Cookie": cookie}, timeout=60) as browser:
        console.print(f"Asking for each page {plan.times} times")
        measured = [_timed(browser, name, [path] * plan.times) for name, path in _PAGES.items()]
        anywhere = [f"/history?cursor={place_cursor(place)}" for place in rng.choices(deep, k=plan.times)]
        return [*measured, _timed(browser, "anywhere in between", anywhere)]


def _timed(browser: httpx.Client, name: str, paths: list[str]) -> Measured:
    times = []
    for path in [paths[0], *paths]:  # the first one is not counted
        began = time.perf_counter()
        browser.get(f"/billing{path}").raise_for_status()
        times.append((time.perf_counter() - began) * 1000)
    ordered = sorted(times[1:])
    p50, p95 = (nearest_rank(ordered, percent) for percent in (50, 95))
    return Measured(name, round(p50, 2), round(p95, 2), round(ordered[-1], 2))


def _places(settings: Settings, plan: Plan) -> list[HistoryPosition]:
    """Places spread over the whole history."""
    sql = "SELECT log_time, seq FROM views.entries WHERE account_id = %s AND seq %% %s = 0"
    with connect(settings.database, COMMAND) as connection:
        rows = connection.execute(sql, (ACCOUNT, max(plan.entries // 500, 1)))
        return [HistoryPosition(*row) for row in rows]


def _projected(settings: Settings, wanted: int) -> int:
    """Waits until the account has `wanted` entries and the API is ready. Returns how many entries it has."""
    moved, last = time.monotonic(), -1
    with connect(settings.database, COMMAND_AUTOCOMMIT) as connection:
        while True:
            row = connection.execute("SELECT seq FROM views.balances WHERE account_id = %s", (ACCOUNT,)).fetchone()
            found = int(row[0]) if row else 0
            if found >= wanted and api_ready(settings):
                connection.execute("VACUUM ANALYZE views.entries")  # as autovacuum does a minute later
                return found
            if found != last:
                moved, last = time.monotonic(), found
            if time.monotonic() > moved + _STALLED_SECONDS:
                raise StoppedProjecting(f"{found:,} of {wanted:,}")
            time.sleep(0.2)
