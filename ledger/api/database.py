"""Connections to Postgres: a pool that waits a few seconds at most and finds its way back when the server does."""

from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from ledger.sql import KEEPALIVES

WAIT_SECONDS = 3
# Nothing here pauses in the middle of a transaction for long. A process that stands still there lets go of its locks.
_OPTIONS = f"-c statement_timeout=10000 -c lock_timeout=3000 -c idle_in_transaction_session_timeout=15000 {KEEPALIVES}"

Pool = AsyncConnectionPool[AsyncConnection[Any]]
_CONNECTING = {"autocommit": True, "options": _OPTIONS, "connect_timeout": 5}


def pool_of(database: str, size: int = 10) -> Pool:
    """A closed pool; opening it doesn't wait for the server.

    Every connection is checked when it is handed out: one that died with the server is replaced, not given away.
    """
    return AsyncConnectionPool(
        database,
        min_size=1,
        max_size=size,
        open=False,
        name="api",
        timeout=WAIT_SECONDS,
        # Gives up early, since the next request asks anew and a long back-off would outlast the outage.
        reconnect_timeout=WAIT_SECONDS,
        check=AsyncConnectionPool.check_connection,
        kwargs=_CONNECTING,
    )


def thread_pool_of(database: str, size: int) -> ConnectionPool[Connection[Any]]:
    """The same for threads, open, and without a connection until one is needed."""
    return ConnectionPool(
        database,
        min_size=0,
        max_size=size,
        open=True,
        name="threads",
        timeout=WAIT_SECONDS,
        reconnect_timeout=WAIT_SECONDS,
        check=ConnectionPool.check_connection,
        kwargs=_CONNECTING,
    )
