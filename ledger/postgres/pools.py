"""Pools of connections to Postgres. Every connection is checked when it is handed out: a broken one is replaced.

A pool of a process that watches Postgres (ledger.postgres.health) waits a few seconds at most, and not at all while
Postgres is known to be away. Any other pool checks the release of the database instead.
"""

from typing import Any

from psycopg_pool import AsyncConnectionPool, ConnectionPool

from ledger.postgres.connections import arguments
from ledger.postgres.health import PostgresHealth
from ledger.postgres.kinds import Kind
from ledger.postgres.release import OtherRelease, check
from ledger.postgres.types import AsyncConnection, Connection

WAIT_SECONDS = 3
# Of a pool that is watched. The next request tries again, and a longer back-off would outlast the outage.
_WATCHED: dict[str, Any] = {"open": False, "timeout": WAIT_SECONDS, "reconnect_timeout": WAIT_SECONDS}


class AsyncPool(AsyncConnectionPool[AsyncConnection]):
    """For asyncio. It is made closed; opening it does not wait for the server."""

    def __init__(self, database: str, kind: Kind, health: PostgresHealth[Any], size: int = 10) -> None:
        self._health = health
        super().__init__(
            database,
            min_size=1,
            max_size=size,
            name=kind.name,
            kwargs=arguments(database, kind),
            configure=self._watch,
            check=AsyncConnectionPool.check_connection,
            **_WATCHED,
        )

    async def getconn(self, timeout: float | None = None) -> AsyncConnection:
        """Raises PostgresAway, OtherRelease, or PoolTimeout."""
        self._health.require()
        return await super().getconn(timeout)

    async def _watch(self, connection: AsyncConnection) -> None:
        self._health.watch(connection)


class WatchedThreadPool(ConnectionPool[Connection]):
    """For threads. It is made closed, and has no connection until one is needed."""

    def __init__(self, database: str, kind: Kind, health: PostgresHealth[Any], size: int) -> None:
        self._health = health
        super().__init__(
            database,
            min_size=0,
            max_size=size,
            name=f"{kind.name}-threads",
            kwargs=arguments(database, kind),
            configure=self._watch,
            check=ConnectionPool.check_connection,
            **_WATCHED,
        )

    def getconn(self, timeout: float | None = None) -> Connection:
        """Raises PostgresAway, OtherRelease, or PoolTimeout."""
        self._health.require()
        return super().getconn(timeout)

    def _watch(self, connection: Connection) -> None:
        self._health.watch(connection)


class ThreadPool(ConnectionPool[Connection]):
    """For the threads of a worker. It is open, and has no connection until one is needed.

    Each checkout checks the release, with the same question that shows whether the connection still works.
    """

    def __init__(self, database: str, kind: Kind, size: int) -> None:
        self._other: OtherRelease | None = None
        super().__init__(
            database,
            open=True,
            min_size=0,
            max_size=size,
            name=kind.name,
            kwargs=arguments(database, kind),
            check=self._check_release,
        )

    def getconn(self, timeout: float | None = None) -> Connection:
        """Raises OtherRelease, or PoolTimeout after half a minute."""
        connection = super().getconn(timeout)
        if self._other:
            self.putconn(connection)
            raise self._other.with_traceback(None)
        return connection

    def _check_release(self, connection: Connection) -> None:
        """Notes another release instead of raising it: the pool would replace the connection, and try again."""
        try:
            check(connection)
            self._other = None
        except OtherRelease as other:
            self._other = other
