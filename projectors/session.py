"""A worker's session with Postgres: one connection, one writer per partition, and the fence between two writers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg.errors import LockNotAvailable

from ledger.core.errors import LedgerError
from ledger.log.fingerprint import fingerprint
from ledger.log.record import Record, log_time_ms
from ledger.postgres import release
from ledger.postgres.connections import connect, interrupt
from ledger.postgres.kinds import PROJECTOR
from ledger.postgres.types import Connection
from ledger.records import rebuilds
from ledger.records.seats import Seat
from ledger.settings import Settings
from ledger.views.writing import SQL
from projectors.partition_waits import PartitionWait

_LOCK_NAMESPACE = 0x1ED6E5


class Fenced(LedgerError):
    message = "Another worker has folded this partition meanwhile"


class Blocked(LedgerError):
    message = "Another writer is writing a batch of this partition"


class Session:
    """Connects when it is needed. After psycopg's OperationalError the caller closes it and starts again.

    `shares_views`: False for the rebuild itself, which has the views for itself. `seat`: the worker's, taken on
    connecting.
    """

    def __init__(self, settings: Settings, *, shares_views: bool = True, seat: Seat | None = None) -> None:
        self._settings = settings
        self._seat = seat
        self._shares_views = shares_views
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """The connection, in autocommit mode; made if there is none.

        Raises OtherRelease, RebuildRunning, RebuildUnfinished or SeatTaken.
        """
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> Connection:
        connection = connect(self._settings.database, PROJECTOR)
        try:
            connection.execute(f"SET lock_timeout = '{int(self._settings.lock_seconds * 1000)}ms'")
            if self._shares_views:
                rebuilds.share(connection)
            if self._seat is not None:
                self._seat.claim(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def interrupt(self) -> None:
        """For another thread: a call that waits for Postgres gets OperationalError."""
        if (connection := self._connection) is not None:
            interrupt(connection)

    def next_offset(self, partition: int) -> int:
        """The next offset of the partition. Raises Fenced if no progress is stored for it."""
        row: tuple[Any, ...] | None = (
            self.connection().execute(SQL["load_progress"], {"partition": partition}).fetchone()
        )
        if row is None:
            raise Fenced(f"{partition}: no progress is stored")
        return int(row[0])

    @contextmanager
    def transaction(self, partition: int, expected: int, next_offset: int, last: Record | None) -> Iterator[Connection]:
        """A transaction as the only writer of the partition. It moves the progress from `expected` to `next_offset`.

        `last`: the last record before `next_offset`; None if there is none that was not folded before.

        Raises Fenced if the stored progress differs; Blocked if another writer or a migration holds the lock for too
        long; and OtherRelease after a migration.
        """
        connection = self.connection()
        with connection.transaction():
            try:
                advanced = self._advance(connection, partition, expected, next_offset, last)
            except LockNotAvailable as error:
                raise Blocked(str(partition)) from error
            if not advanced:
                raise Fenced(str(partition))
            yield connection

    def _advance(
        self, connection: Connection, partition: int, expected: int, next_offset: int, last: Record | None
    ) -> bool:
        with connection.pipeline():  # one round trip
            ran = connection.execute(release.RAN)
            connection.execute(SQL["lock_partition"], {"namespace": _LOCK_NAMESPACE, "partition": partition})
            cursor = connection.execute(
                SQL["advance_progress"],
                {
                    "partition": partition,
                    "expected": expected,
                    "next_offset": next_offset,
                    "last_offset": last.offset if last else None,
                    "last_record": fingerprint(last) if last else None,
                    "through_ms": log_time_ms(last) if last else None,
                },
            )
        if other := release.difference(ran):
            raise other
        return cursor.rowcount == 1

    def check_release(self) -> None:
        """Raises OtherRelease if another version of this program has changed the database."""
        release.check(self.connection())

    def note_caught_up(
        self, partition: int, expected: int, log_end: int, asked_ms: int, waiting: PartitionWait | None
    ) -> None:
        """Records where the log ended at a time. What is folded up to there is up to date as of that time."""
        parameters: dict[str, Any] = {"partition": partition, "expected": expected}
        parameters |= {"log_end": log_end, "asked_ms": asked_ms}
        parameters |= {"waits_for": waiting and waiting.what, "waits_since_ms": waiting and waiting.since_ms}
        parameters |= {"waits_detail": waiting and waiting.place}
        self.connection().execute(SQL["note_caught_up"], parameters)

    def terminate_blockers(self, partition: int) -> list[int]:
        """Ends sessions that hold the partition's lock for too long: a stopped process keeps its locks."""
        connection = self.connection()
        parameters = {"namespace": _LOCK_NAMESPACE, "partition": partition, "seconds": self._settings.lock_seconds}
        blockers = [pid for (pid,) in connection.execute(SQL["find_blockers"], parameters)]
        for pid in blockers:
            connection.execute(SQL["terminate"], {"pid": pid})
        return blockers
