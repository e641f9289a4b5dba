"""Connections to Postgres: pools that wait a few seconds at most, and not at all while it is known to be away."""

from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from ledger.liveness import KEEPALIVES, LIVENESS
from ledger.postgres.health import Postgres

WAIT_SECONDS = 3
# Nothing here pauses in the middle of a transaction for long. A process that stands still there lets go of its locks.
_OPTIONS = f"-c statement_timeout=10000 -c lock_timeout=3000 -c idle_in_transaction_session_timeout=15000 {KEEPALIVES}"
_POOLED: dict[str, Any] = {
    "open": False,
    "timeout": WAIT_SECONDS,
    # Gives up early, since the next request asks anew and a long back-off would outlast the outage.
    "reconnect_timeout": WAIT_SECONDS,
    "kwargs": {"autocommit": True, "options": _OPTIONS, **LIVENESS},
}


class Pool(AsyncConnectionPool[AsyncConnection[Any]]):
    """Closed; opening it doesn't wait for the server.

    Every connection is checked when it is handed out: one that died with the server is replaced, not given away.
    """

    def __init__(self, database: str, postgres: Postgres, size: int = 10) -> None:
        self._postgres = postgres
        super().__init__(
            database,
            min_size=1,
            max_size=size,
            name="api",
            configure=self._watched,
            check=AsyncConnectionPool.check_connection,
            **_POOLED,
        )

    async def getconn(self, timeout: float | None = None) -> AsyncConnection[Any]:
        """Raises PostgresAway, or PoolTimeout."""
        self._postgres.demand()
        return await super().getconn(timeout)

    async def _watched(self, connection: AsyncConnection[Any]) -> None:
        self._postgres.watched(connection)


class ThreadPool(ConnectionPool[psycopg.Connection[Any]]):
    """The same for threads, without a connection until one is needed."""

    def __init__(self, database: str, postgres: Postgres, size: int) -> None:
        self._postgres = postgres
        super().__init__(
            database,
            min_size=0,
            max_size=size,
            name="threads",
            configure=self._watched,
            check=ConnectionPool.check_connection,
            **_POOLED,
        )

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        """Raises PostgresAway, or PoolTimeout."""
        self._postgres.demand()
        return super().getconn(timeout)

    def _watched(self, connection: psycopg.Connection[Any]) -> None:
        self._postgres.watched(connection)
