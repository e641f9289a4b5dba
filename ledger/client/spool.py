"""The spool: a SQLite file that keeps events until they are delivered. One process owns it, and its size is bounded.

The bound applies to new events only. A full spool can still set rejected events aside; otherwise it would stay full.

When `add` has returned, the event survives SIGKILL, a system crash and a power cut, if the disk keeps what it has
synced (WAL, synchronous=FULL). Threads that add at the same time share one sync. SQLite's exclusive lock shows whether
the owner is alive. A folder that several machines mount is not supported, because locks don't work there.
"""

import ctypes
import logging
import os
import secrets
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ledger.client.errors import Closed, SpoolFull, SpoolUnusable
from ledger.client.events import Outgoing
from ledger.sql import statements

PAGE_BYTES = 4096
_SQL = {name: statement.decode() for name, statement in statements("ledger.client", "spool.sql").items()}
_SUFFIX = ".spool"

log = logging.getLogger(__name__)


class SpooledEvent(NamedTuple):
    """A waiting event; `seq` is its place in the spool."""

    seq: int
    event: Outgoing


class Rejection(NamedTuple):
    """Why the ledger rejects the event at this place."""

    seq: int
    code: str
    reason: str
    field: str | None = None


class RejectedEvent(NamedTuple):
    """An event that was set aside, and why: `code` for programs, `reason` for people. `value` is its JSON.

    `field`: the first field that is wrong, "data.model"; None when it is the whole event.
    """

    account_id: str
    event_id: str
    recorded_ms: int
    value: bytes
    code: str
    reason: str
    field: str | None


class SpoolInUse(Exception):
    """Another process holds this file, or has just removed it."""


class _Write:
    """An event that a thread wants to write. The thread that holds the lock writes it."""

    def __init__(self, event: Outgoing) -> None:
        self.event = event
        self.done = False
        # It counts as not written until it is known to be, because Ctrl-C may come at any moment.
        self.error: BaseException | None = InterruptedError("interrupted")


class Spool:
    """One spool file, locked until `close`. Thread-safe. Raises SpoolInUse."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._writes: deque[_Write] = deque()
        self._closed = False
        self._pages_max = max(bytes_max // PAGE_BYTES, 8)
        # mode=rw does not create the file: it must not come back when its former owner removes it at this moment.
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            self.depth, self.rejected_count, self.last_seq = self._hold()
        except BaseException:
            self._connection.close()
            raise
        _open_spools.add(self)

    def add(self, event: Outgoing) -> None:
        """Returns when the event is on the disk. Raises SpoolFull, SpoolUnusable, Closed."""
        write = _Write(event)
        self._writes.append(write)
        with self._lock:
            if not write.done:
                self._write_all()
        if write.error is not None:
            raise _explained(write.error) from write.error

    def head(self, bytes_max: int) -> list[SpooledEvent]:
        """The oldest events: at most 1000, about `bytes_max` bytes, and at least one if any waits."""
        found: list[SpooledEvent] = []
        size = 0
        with self._using() as connection:
            for seq, *event in connection.execute(_SQL["head"]):
                found.append(SpooledEvent(seq, Outgoing(*event)))
                size += len(found[-1].event.value)
                if size >= bytes_max:
                    break
        return found

    def first(self) -> tuple[int, int] | None:
        """Place and time (Unix ms) of the oldest waiting event; None if none waits or the spool is closed."""
        try:
            with self._using() as connection:
                found: tuple[int, int] | None = connection.execute(_SQL["first"]).fetchone()
        except Closed:
            return None
        return found

    def settle(self, delivered: Sequence[int], rejected: Sequence[Rejection]) -> None:
        """Deletes the delivered events and sets the rejected ones aside."""
        gone = [*delivered, *(rejection.seq for rejection in rejected)]
        with self._using() as connection, _transaction(connection):
            connection.executemany(_SQL["set_aside"], [rejection._asdict() for rejection in rejected])
            connection.executemany(_SQL["forget"], [(seq,) for seq in gone])
            self.depth -= len(gone)
            self.rejected_count += len(rejected)

    def rejected(self) -> list[RejectedEvent]:
        """The events that were set aside, oldest first."""
        with self._using() as connection:
            return [RejectedEvent(*row) for row in connection.execute(_SQL["rejected"])]

    def retry_rejected(self) -> None:
        """Puts the events that were set aside behind those that wait."""
        with self._using() as connection, _transaction(connection):
            connection.execute(_SQL["put_back"], {"last": self.last_seq})
            connection.execute(_SQL["drop_rejected"])
            self.depth, self.rejected_count, self.last_seq = connection.execute(_SQL["state"]).fetchone()

    def drop_rejected(self) -> None:
        """Deletes the events that were set aside."""
        with self._using() as connection:
            connection.execute(_SQL["drop_rejected"])
            self.rejected_count = 0

    def close(self) -> None:
        """Closes the file, and removes it if it is empty."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            waiting, rejected, _ = self._connection.execute(_SQL["state"]).fetchone()
            self._connection.close()
            _open_spools.discard(self)
            if not waiting and not rejected:
                self.path.unlink(missing_ok=True)

    def _hold(self) -> tuple[int, int, int]:
        """Locks the file while the connection is open.

        Returns how many events wait and are rejected, and the last place.
        """
        connection = self._connection
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            with _transaction(connection):
                connection.execute(_SQL["waiting_table"])
                connection.execute(_SQL["rejected_table"])
                state: tuple[int, int, int] = connection.execute(_SQL["state"]).fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise SpoolInUse from None
            raise
        if not self.path.exists():  # its former owner removed it after we had opened it and before we locked it
            raise SpoolInUse
        return state

    def _write_all(self) -> None:
        """Writes the events of all threads in one transaction. The caller holds the lock."""
        writes: list[_Write] = []
        while self._writes:
            writes.append(self._writes.popleft())
        rows = [(seq, *write.event) for seq, write in enumerate(writes, self.last_seq + 1)]
        self.last_seq += len(rows)
        failure: BaseException | None = None
        try:
            if self._closed:
                raise Closed
            with _transaction(self._connection):
                self._connection.executemany(_SQL["put"], rows)
                if self._connection.execute(_SQL["pages"]).fetchone()[0] > self._pages_max:
                    raise SpoolFull
            self.depth += len(rows)
        except (sqlite3.Error, SpoolFull, Closed) as error:
            failure = error
        for write in writes:
            write.done, write.error = True, failure

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise Closed
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise _explained(error) from error


def new_spool(folder: Path, bytes_max: int) -> Spool:
    """A new spool file for this process. Raises SpoolUnusable."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            path = folder / f"{time.time_ns():020}-{secrets.token_hex(4)}{_SUFFIX}"
            path.touch(mode=0o600, exist_ok=False)
            with suppress(SpoolInUse):  # another process that looked for orphans was faster
                return Spool(path, bytes_max)
    except (OSError, sqlite3.Error) as error:
        raise SpoolUnusable(str(error), field="spool") from error


def orphans(folder: Path, bytes_max: int) -> Iterator[Spool]:
    """The spools of processes that have ended, oldest first. This process now owns them."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            spool = Spool(path, bytes_max)
        except SpoolInUse:
            continue
        except sqlite3.Error as error:
            if path.exists():
                log.warning("the spool %s can't be read and its events are not delivered: %s", path, error)
            continue
        yield spool


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _explained(error: BaseException) -> Closed | SpoolFull | SpoolUnusable:
    if isinstance(error, Closed | SpoolFull):
        return type(error)()
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return SpoolFull() if full else SpoolUnusable(str(error))


_open_spools: weakref.WeakSet[Spool] = weakref.WeakSet()


def _leave_to_the_parent() -> None:
    """In a forked child: never uses or frees a connection, because closing one would delete the parent's WAL."""
    for spool in list(_open_spools):
        spool._lock, spool._closed = threading.Lock(), True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(spool._connection))


os.register_at_fork(after_in_child=_leave_to_the_parent)
