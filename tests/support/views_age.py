"""How old the views are, partition by partition, looked at all the time; while Postgres is away they grow older."""

import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import psycopg

from ledger.settings import Settings

EVERY_SECONDS = 0.5
_THROUGH = "SELECT partition, extract(epoch FROM through)::float8 FROM views.progress WHERE through IS NOT NULL"


class Look(NamedTuple):
    """Up to which moment each partition was folded, at a moment."""

    at: float
    through: dict[int, float]


class ViewsAge:
    """Looks in a thread of its own until the block ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._looks, self._ended = settings, list[Look](), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="views", daemon=True)

    def __enter__(self) -> "ViewsAge":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)

    def oldest(self, began: float, until: float) -> float:
        """The oldest that any partition's view was between two moments."""
        return max(self._ages(began, until), default=0.0)

    def _ages(self, began: float, until: float) -> Iterator[float]:
        known: dict[int, float] = {}
        for look in [each for each in self._looks if each.at <= until]:
            if began <= look.at:
                # Before this look, a partition was as old as the last one left it.
                yield from (look.at - through for partition, through in known.items() if partition in look.through)
            known |= look.through
        yield from (until - through for through in known.values())

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                with psycopg.connect(self._settings.database, autocommit=True, connect_timeout=5) as connection:
                    while not self._ended.wait(EVERY_SECONDS):
                        self._looks.append(Look(time.time(), dict(connection.execute(_THROUGH).fetchall())))
            except psycopg.Error:
                time.sleep(EVERY_SECONDS)
