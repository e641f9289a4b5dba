"""Folds whole partitions from where their views are up to an offset, several at a time, each in a process of its own.

It goes through the same projection as a worker: every batch is one fenced transaction, so it may end at any moment and
go on from there.
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
from ledger.core.book import Book
from ledger.postgres.types import Connection
from ledger.records.skips import skips
from ledger.settings import Settings
from projectors.projection import Projection
from projectors.replay import fetches
from projectors.session import Session
from schemas.topics import EVENTS

_LOOK_SECONDS = 0.2
_FOLDED = "SELECT coalesce(sum(next_offset), 0)::bigint FROM views.progress"


class Watch(Protocol):
    """Who is told how far it is."""

    def begin(self, stage: str, total: int | None) -> None:
        """A stage of the work begins; `total` None: nobody knows how much it is."""

    def reach(self, done: int) -> None:
        """So much of it is done."""


def refold(settings: Settings, connection: Connection, targets: Mapping[int, int], book: Book, watch: Watch) -> int:
    """Folds every partition up to its target; how many offsets that were. `connection`: to look how far it is."""
    started_at = _folded(connection)
    watch.begin("Folding the log", sum(targets.values()))
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
                watch.reach(_folded(connection))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return _folded(connection) - started_at


def _folded(connection: Connection) -> int:
    row = connection.execute(_FOLDED).fetchone()
    return int(row[0]) if row else 0


def _prepare_process(stop: Event, settings: Settings) -> None:
    """Ctrl-C reaches every process of a terminal; these end when their parent says so, or at once when it is gone."""
    global _stop
    _stop = stop
    logs.configure(settings.log_format)  # what a projection warns of goes to stderr: stdout may be read by a program
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(1_000_000, 10, 10)  # as in a worker: docs/decisions/0003


_stop: Event


def _end_with_parent() -> None:
    """A pool's process that is not at work would wait for its killed parent for ever."""
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
        passed_over = skips(projection.session.connection(), settings.topic(EVENTS)).get(partition, ())
        async with aclosing(fetches(settings, partition, start, target, passed_over)) as reading:
            async for fetch in reading:
                if _stop.is_set():
                    return
                projection.project(partition, fetch, book)
    finally:
        projection.disconnect()
