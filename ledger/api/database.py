"""Connections to Postgres: a pool that waits a few seconds at most and finds its way back when the server does."""

from ledger.records.pools import AsyncPool, ThreadPool
from ledger.sql import KEEPALIVES

WAIT_SECONDS = 3
# Nothing here pauses in the middle of a transaction for long. A process that stands still there lets go of its locks.
_OPTIONS = f"-c statement_timeout=10000 -c lock_timeout=3000 -c idle_in_transaction_session_timeout=15000 {KEEPALIVES}"

Pool = AsyncPool
_CONNECTING = {"autocommit": True, "options": _OPTIONS, "connect_timeout": 5, "application_name": "ledger-api"}


def pool_of(database: str, size: int = 10) -> Pool:
    """A closed pool; opening it doesn't wait for the server."""
    return AsyncPool(
        database,
        size,
        name="api",
        timeout=WAIT_SECONDS,
        # Gives up early, since the next request asks anew and a long back-off would outlast the outage.
        reconnect_timeout=WAIT_SECONDS,
        kwargs=_CONNECTING,
    )


def thread_pool_of(database: str, size: int) -> ThreadPool:
    """The same for threads, open, and without a connection until one is needed."""
    return ThreadPool(
        database, size, name="threads", timeout=WAIT_SECONDS, reconnect_timeout=WAIT_SECONDS, kwargs=_CONNECTING
    )
