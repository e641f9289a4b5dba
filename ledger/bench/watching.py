"""Watches a ledger from outside: how far it has projected, with one small query, and whether its API is ready."""

import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

import httpx
import psycopg

from ledger.dev.visibility import Visibility
from ledger.settings import Settings

SECONDS_BETWEEN = 0.005


class Seen(NamedTuple):
    """At a (monotonic) time so many records were committed, in all partitions."""

    at: float
    committed: int


class Watch:
    """A thread that looks every five milliseconds; `changes` has a line for each time that more was committed."""

    def __init__(self, database: str, visibility: Visibility) -> None:
        self._database, self._visibility = database, visibility
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")
        self.changes: list[Seen] = []

    @property
    def committed(self) -> int:
        """Records that are committed, as last seen."""
        return self.changes[-1].committed if self.changes else 0

    def rate_of(self, records: int) -> float:
        """Records per second between the first commit that was seen and the one that completed so many.

        Those of the first commit itself don't count, since its beginning was not seen.
        """
        first = self.changes[0]
        last = next(seen for seen in self.changes if seen.committed >= records)
        return (last.committed - first.committed) / (last.at - first.at) if last.at > first.at else 0.0

    def _look(self) -> None:
        with psycopg.connect(self._database, autocommit=True) as connection:
            while not self._ended.wait(SECONDS_BETWEEN):
                rows = connection.execute("SELECT partition, next_offset FROM views.progress").fetchall()
                now, committed = time.monotonic(), sum(offset for _, offset in rows)
                self._visibility.observe(now, dict(rows))
                if committed > self.committed:
                    self.changes.append(Seen(now, committed))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()


def api_ready(settings: Settings) -> bool:
    """Whether the API answers, and Kafka, Postgres, projection and book are there."""
    try:
        return httpx.get(f"http://{settings.api_host}:{settings.api_port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
