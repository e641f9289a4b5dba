"""Observes a ledger from outside: how far it has projected, with one small query, and whether its API is ready."""

import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from ledger.dev.visibility import Visibility
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
from ledger.settings import Settings

SECONDS_BETWEEN = 0.005


class CommittedAt(NamedTuple):
    """How many records of all partitions were committed at a (monotonic) time."""

    at: float
    committed: int


class ProgressWatch:
    """A thread that reads the progress every five milliseconds. `changes`: each time at which more was committed."""

    def __init__(self, database: str, visibility: Visibility) -> None:
        self._database, self._visibility = database, visibility
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")
        self.changes: list[CommittedAt] = []

    @property
    def committed(self) -> int:
        """How many records were committed at the last look."""
        return self.changes[-1].committed if self.changes else 0

    def rate_of(self, records: int) -> float:
        """Records per second between the first observed commit and the one that completed `records`.

        The records of the first commit don't count, because its beginning was not observed.
        """
        first = self.changes[0]
        last = next(seen for seen in self.changes if seen.committed >= records)
        return (last.committed - first.committed) / (last.at - first.at) if last.at > first.at else 0.0

    def _look(self) -> None:
        with connect(self._database, COMMAND_AUTOCOMMIT) as connection:
            while not self._ended.wait(SECONDS_BETWEEN):
                rows = connection.execute("SELECT partition, next_offset FROM views.progress").fetchall()
                now, committed = time.monotonic(), sum(offset for _, offset in rows)
                self._visibility.observe(now, dict(rows))
                if committed > self.committed:
                    self.changes.append(CommittedAt(now, committed))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()


def api_ready(settings: Settings) -> bool:
    """Whether the API is ready: Kafka, Postgres, the projection and the book are available."""
    try:
        return httpx.get(f"http://{settings.api_host}:{settings.api_port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
