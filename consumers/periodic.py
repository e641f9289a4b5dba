"""Runs one task repeatedly, in one process at a time.

The process that holds the task's lock in Postgres runs it; the others wait for the lock. While Postgres, Kafka or a
provider is away, the process waits without the lock: another process may reach them. Any other error ends the process.
"""

import threading
from contextlib import closing
from typing import Protocol

import psycopg

from consumers.retry_pause import RetryPause
from ledger.log.connecting import KafkaForbids, KafkaRefusesUser, LogUnavailable
from ledger.payments.gateway import ProviderUnavailable, ProviderUnknown
from ledger.postgres import release
from ledger.postgres.connections import connect
from ledger.postgres.kinds import WORKER
from ledger.postgres.types import Connection
from ledger.settings import Settings

# UndefinedTable: a rebuild has just dropped the views.
_COMES_BACK = (
    psycopg.OperationalError,
    psycopg.errors.UndefinedTable,
    LogUnavailable,
    ProviderUnavailable,
    ProviderUnknown,
)
# The first key is the namespace of tasks, the second is the task's.
_LOCK = "SELECT pg_try_advisory_lock(x'1ed6e6'::int, hashtext(%s))"


class Task(Protocol):
    """Work that is done in rounds. It may be killed at any time: each round begins with what is stored."""

    @property
    def name(self) -> str: ...

    @property
    def seconds(self) -> float:
        """The pause after a round, in seconds."""

    def do_round(self, connection: Connection) -> None:
        """Does one round. `connection` is in autocommit; no other process runs this task meanwhile."""

    def close(self) -> None:
        """Closes what it has open."""


class Periodic:
    """Runs one task until `stopping` is set."""

    def __init__(self, task: Task, settings: Settings, stopping: threading.Event) -> None:
        self._task, self._settings, self._stopping = task, settings, stopping

    def run(self) -> None:
        """Raises what the task raises, OtherRelease, KafkaRefusesUser, KafkaForbids."""
        retry_pause = RetryPause(self._task.name, self._stopping)
        with closing(self._task):
            while not self._stopping.is_set():
                try:
                    self._run_with_lock(retry_pause)
                except (KafkaRefusesUser, KafkaForbids):
                    raise
                except _COMES_BACK as error:
                    retry_pause.wait(error)

    def _run_with_lock(self, retry_pause: RetryPause) -> None:
        name = f"ledger-{self._task.name}"
        with connect(self._settings.database, WORKER.named(name)) as connection:
            mine = False
            while not self._stopping.is_set():
                mine = mine or _locked(connection, name)
                if mine:
                    release.check(connection)
                    self._task.do_round(connection)
                    retry_pause.reset()
                self._stopping.wait(self._task.seconds)


def _locked(connection: Connection, name: str) -> bool:
    row = connection.execute(_LOCK, [name]).fetchone()
    return bool(row and row[0])
