"""A pool of connections to a database of this program's release: each is checked anew whenever it is handed out.

The same look tells whether the connection still works; one that died with its server is replaced, not given away.
"""

from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from ledger.records.release import OtherRelease, check


class ThreadPool(ConnectionPool[Connection[Any]]):
    """For threads; open, and without a connection until one is needed."""

    def __init__(self, database: str, size: int, **options: Any) -> None:
        self._other: OtherRelease | None = None
        super().__init__(database, min_size=0, max_size=size, open=True, check=self._look, **options)

    def getconn(self, timeout: float | None = None) -> Connection[Any]:
        """As the pool's. Raises OtherRelease, too."""
        connection = super().getconn(timeout)
        if self._other:
            self.putconn(connection)
            raise self._other.with_traceback(None)
        return connection

    def _look(self, connection: Connection[Any]) -> None:
        """Notes another release instead of raising it: the pool would replace the connection, and try again."""
        try:
            check(connection)
            self._other = None
        except OtherRelease as other:
            self._other = other
