"""Folds whole partitions from where their views are up to an offset, several at a time, each in its own process.

It uses the same projection as a worker: each batch is one fenced transaction, so it may stop at any time and continue
from there.
"""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from contextlib import aclosing
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from typing import Protocol

from ledger import logs
from ledger.core.book_versions import Book
from ledger.postgres.types import Connection
from ledger.records.skips import skips
from ledger.settings import Settings
from projectors.log_reading import fetches
from projectors.projection import Projection
from projectors.session import Session
from schemas.topics import EVENTS

_LOOK_SECONDS = 0.2
_FOLDED = "SELECT coalesce(sum(next_offset), 0)::bigint FROM views.progress"


class Progress(Protocol):
    """Receives the progress of the work; the command line shows it."""

    def begin(self, stage: str, total: int | None) -> None:
        """A stage begins. `total` is None if its size is not known."""

    def reach(self, done: int) -> None:
        """How much of the stage is done."""


def refold(
    settings: Settings, connection: Connection, targets: Mapping[int, int], book: Book, progress: Progress
) -> int:
    """Folds each partition up to its target.

    Returns how many offsets were folded. `connection`: to read the progress.
    """
    started_at = _folded(connection)
    progress.begin("Folding the log", sum(targets.values()))
    context = get_context("spawn")
    stop = context.Event()
    processes = min(len(targets), os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, context, _prepare_process, (stop, settings)) as pool:
        running: set[Future[None]] = {
            pool.submit(_fold_partition, settings, partition, len(targets), target, book)
            for partition, target in targets.items()
        }
        try:
            while running:
                done, running = wait(running, _LOOK_SECONDS, FIRST_EXCEPTION)
                for each in done:
                    each.result()
                progress.reach(_folded(connection))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return _folded(connection) - started_at


def _folded(connection: Connection) -> int:
    row = connection.execute(_FOLDED).fetchone()
    return int(row[0]) if row else 0


def _prepare_process(stop: Event, settings: Settings) -> None:
    """Makes the process ignore Ctrl-C, which reaches all processes of a terminal: it ends when its parent says so or
    ends.
    """
    global _stop
    _stop = stop
    logs.configure(settings.log_format)  # warnings go to stderr: a program may read stdout
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(1_000_000, 10, 10)  # as in a worker: docs/decisions/0003


_stop: Event


def _end_with_parent() -> None:
    """Ends the process when its parent has ended; an idle process of a pool would wait without end."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _fold_partition(settings: Settings, partition: int, partitions: int, target: int, book: Book) -> None:
    asyncio.run(_fold(settings, partition, partitions, target, book))


async def _fold(settings: Settings, partition: int, partitions: int, target: int, book: Book) -> None:
    projection = Projection(settings, partitions, Session(settings, shares_views=False))
    try:
        start = projection.next_offset(partition)
        skipped = skips(projection.session.connection(), settings.topic(EVENTS)).get(partition, ())
        async with aclosing(fetches(settings, partition, start, target, skipped)) as reading:
            async for fetch in reading:
                if _stop.is_set():
                    return
                projection.project(partition, fetch, book)
    finally:
        projection.disconnect()
