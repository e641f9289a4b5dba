"""`ledger bench projection`: how fast and how exactly the projectors fold the log on this machine.

It starts a temporary Kafka and Postgres, preloads events, and starts worker processes as in production. **events/s**:
records committed after the first observed commit, divided by the time from that commit to the last one. **visible**:
from when an event was due to be sent until a query sees a commit past its offset. Sending does not wait for commits, so
a stall is included. **raw COPY**: the same rows copied into a table of the same shape, in the same run.
"""

import asyncio
import gc
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ledger.bench.event_load import EventLoad, preload
from ledger.bench.machine import Machine
from ledger.bench.progress_watch import ProgressWatch
from ledger.bench.raw_copy import copy_rate
from ledger.core.errors import LedgerError
from ledger.dev.bootstrap import bootstrap
from ledger.dev.child_processes import Child, Children, environment_of, worker_commands
from ledger.dev.errors import DidNotStart
from ledger.dev.stack import Stack
from ledger.dev.summary import different_balances
from ledger.dev.visibility import Percentiles, Visibility
from ledger.log.publisher import PendingAppend, Publisher
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.settings import Settings
from schemas.topics import EVENTS

STALLED_SECONDS = 60.0


class Plan(NamedTuple):
    """What to measure."""

    workers: int = 2
    events: int = 500_000
    accounts: int = 10_000
    partitions: int = 4
    rate: int = 1_000
    seconds: float = 30
    seed: int = 20261121


class Result(NamedTuple):
    """The figures. `exact`: one row per event, and each balance is the exact sum of its charges.

    `worker_cpu_micros`: CPU time of the workers per event, which depends less on other load of the machine.
    """

    plan: Plan
    machine: Machine
    events_per_second: float
    worker_cpu_micros: float
    copy_rows_per_second: float
    visible_ms: Percentiles
    exact: bool
    differences: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """Events per second, divided by the rows per second of raw COPY."""
        return self.events_per_second / self.copy_rows_per_second

    def json_fields(self) -> dict[str, object]:
        """The fields of the line of `--json`."""
        return {
            **self.plan._asdict(),
            **self.machine.json_fields(),
            "events_per_second": round(self.events_per_second),
            "worker_cpu_micros": round(self.worker_cpu_micros, 1),
            "copy_rows_per_second": round(self.copy_rows_per_second),
            "ratio": round(self.ratio, 3),
            "visible_ms": self.visible_ms._asdict(),
            "exact": self.exact,
        }


class _CpuAt(NamedTuple):
    """CPU seconds of all workers when `committed` records were committed."""

    committed: int
    cpu_seconds: float

    def micros_per_record(self, later: "_CpuAt") -> float:
        records = later.committed - self.committed
        return (later.cpu_seconds - self.cpu_seconds) * 1e6 / records if records else 0.0


class StoppedProjecting(LedgerError):
    message = "The workers did not project what was on the log"


def run(plan: Plan, console: Console) -> Result:
    """Measures with a new, temporary ledger."""
    machine = Machine.here()
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder, Stack(Path(folder)) as stack:
        settings = stack.settings(plan.partitions)
        bootstrap(settings)
        load, visibility = EventLoad(plan.seed, plan.accounts), Visibility()
        _preload(settings, plan, load, console)
        with ProgressWatch(settings.database, visibility) as watch, Children(console.print) as workers:
            _start(workers, settings, plan.workers, stack.home)
            _wait_for(1, watch, workers, console)
            began = _CpuAt(watch.committed, _cpu_seconds(workers))
            _wait_for(plan.events, watch, workers, console)
            rate, ended = watch.rate_of(plan.events), _CpuAt(watch.committed, _cpu_seconds(workers))
            sent = _open_loop(settings, plan, load, visibility, console)
            _wait_for(plan.events + sent, watch, workers, console)
        differences = _differences(settings, plan.events + sent, load)
        console.print("Copying the same rows, to compare", style="dim")
        return Result(
            plan,
            machine,
            rate,
            began.micros_per_record(ended),
            copy_rate(settings.database, plan.workers),
            visibility.percentiles(),
            not differences,
            tuple(differences),
        )


def _preload(settings: Settings, plan: Plan, load: EventLoad, console: Console) -> None:
    with _bar(console, f"Preloading {plan.events:,} events", plan.events) as bar:
        task = bar.task_ids[0]
        appending = preload(
            settings.kafka,
            settings.topic(EVENTS),
            plan.partitions,
            load.make(plan.events),
            lambda count: bar.advance(task, count),
        )
        asyncio.run(appending)


def _start(workers: Children, settings: Settings, count: int, home: Path) -> None:
    for name, command in worker_commands(count):
        workers.add(Child(name, command, environment_of(settings), home / f"{name}.log"))


def _cpu_seconds(workers: Children) -> float:
    """CPU time of the worker processes so far."""
    times = [psutil.Process(pid).cpu_times() for pid in workers.pids.values()]
    return float(sum(each.user + each.system for each in times))


def _wait_for(records: int, watch: ProgressWatch, workers: Children, console: Console) -> None:
    """Waits until `records` are committed.

    Raises DidNotStart for a worker that ended, StoppedProjecting for a stall.
    """
    moved_at, before = time.monotonic(), watch.committed
    with _bar(console, "Projecting" if records > 1 else "Waiting for the workers", records) as bar:
        while watch.committed < records:
            time.sleep(0.05)
            bar.update(bar.task_ids[0], completed=watch.committed)
            for worker in workers.all:
                if not worker.alive and worker.log is not None:
                    raise DidNotStart(worker.name, "ended while projecting", worker.log)
            if watch.committed > before:
                moved_at, before = time.monotonic(), watch.committed
            if time.monotonic() > moved_at + STALLED_SECONDS:
                raise StoppedProjecting(f"{watch.committed} of {records}")


def _open_loop(settings: Settings, plan: Plan, load: EventLoad, visibility: Visibility, console: Console) -> int:
    """Sends at a fixed rate without waiting for results. Returns how many events it sent."""
    count, pending = int(plan.rate * plan.seconds), deque[tuple[PendingAppend, float]]()
    title = f"Sending {plan.rate:,} events/s for {plan.seconds:g} s"
    with Publisher(settings) as publisher, _bar(console, title, count) as bar:
        events = load.make(count)
        connecting = next(events)  # so that the client's first connection is not part of the measured time
        publisher.append(EVENTS, connecting.account.encode(), connecting.value).position()
        # Garbage collection of the outstanding appends stopped this process for 250 ms every six seconds.
        gc.disable()
        started = time.monotonic()
        for number, event in enumerate(events):
            due = started + number / plan.rate
            time.sleep(max(due - time.monotonic(), 0))
            pending.append((publisher.append(EVENTS, event.account.encode(), event.value), due))
            if number % plan.rate == 0:
                bar.update(bar.task_ids[0], completed=number)
        for append, due in pending:
            position = append.position()
            visibility.sample(position.partition, position.offset, due)
    gc.enable()
    return count


def _differences(settings: Settings, events: int, load: EventLoad) -> list[str]:
    """Sentences for rows or balances that are wrong."""
    with connect(settings.database, COMMAND) as connection:
        rows = connection.execute("SELECT count(*) FROM views.entries").fetchone()
        balances: dict[str, int] = dict(connection.execute("SELECT account_id, balance FROM views.balances").fetchall())
    found = [] if rows == (events,) else [f"{rows} rows of {events} events"]
    return found + different_balances(load.expected, balances)


class _Rate(ProgressColumn):
    """A column with the rate per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


@contextmanager
def _bar(console: Console, title: str, total: int) -> Iterator[Progress]:
    """A bar with rate and remaining time on a terminal, one line elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        if not console.is_terminal:
            console.print(title)
        bar.add_task(title, total=total)
        yield bar


def print_result(console: Console, result: Result) -> None:
    """Prints the figures as a table."""
    plan, visible = result.plan, result.visible_ms
    title = f"{result.machine}, seed {plan.seed}"
    table = Table(title=title, show_header=False)
    table.add_row("events", f"{plan.events:,} of {plan.accounts:,} accounts in {plan.partitions} partitions")
    table.add_row("workers", str(plan.workers))
    table.add_row("projected", f"{result.events_per_second:,.0f} events/s")
    table.add_row("CPU of the workers", f"{result.worker_cpu_micros:.1f} µs an event")
    table.add_row("raw COPY of the same rows", f"{result.copy_rows_per_second:,.0f} rows/s")
    table.add_row("projected / raw COPY", f"{result.ratio:.2f}")
    table.add_row(f"visible at {plan.rate:,}/s", f"p50 {visible.p50} ms, p95 {visible.p95} ms, p99 {visible.p99} ms")
    table.add_row("exact", "yes" if result.exact else f"NO: {'; '.join(result.differences[:3])}")
    console.print(table)
