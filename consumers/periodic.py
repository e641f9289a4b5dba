"""Runs one task again and again, by one process at a time, however many there are.

Whoever holds the task's lock in Postgres does it, and the others stand by. Postgres, Kafka or a provider that is away
is waited for, without the lock: perhaps they answer somebody else. Anything else that goes wrong ends the process.
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
# The second key is the task's; projectors and rebuilds have a namespace of their own.
_LOCK = "SELECT pg_try_advisory_lock(x'1ed6e6'::int, hashtext(%s))"


class Task(Protocol):
    """Does one thing, round by round. It may be ended anywhere: each round begins with what is stored."""

    @property
    def name(self) -> str: ...

    @property
    def seconds(self) -> float:
        """The pause after a round."""

    def once(self, connection: Connection) -> None:
        """One round. `connection` is in autocommit; no other process does this task while it lasts."""

    def close(self) -> None:
        """Lets go of what it holds."""


class Periodic:
    """One task, until `stopping` is set."""

    def __init__(self, task: Task, settings: Settings, stopping: threading.Event) -> None:
        self._task, self._settings, self._stopping = task, settings, stopping

    def run(self) -> None:
        """Raises what the task raises, OtherRelease, KafkaRefusesUser, KafkaForbids."""
        retry_pause = RetryPause(self._task.name, self._stopping)
        with closing(self._task):
            while not self._stopping.is_set():
                try:
                    self._take_turns(retry_pause)
                except (KafkaRefusesUser, KafkaForbids):
                    raise
                except _COMES_BACK as error:
                    retry_pause.wait(error)

    def _take_turns(self, retry_pause: RetryPause) -> None:
        name = f"ledger-{self._task.name}"
        with connect(self._settings.database, WORKER.named(name)) as connection:
            mine = False
            while not self._stopping.is_set():
                mine = mine or _locked(connection, name)
                if mine:
                    release.check(connection)
                    self._task.once(connection)
                    retry_pause.reset()
                self._stopping.wait(self._task.seconds)


def _locked(connection: Connection, name: str) -> bool:
    row = connection.execute(_LOCK, [name]).fetchone()
    return bool(row and row[0])
