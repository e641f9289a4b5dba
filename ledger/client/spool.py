"""Events on disk until they are delivered: one SQLite file, one process that holds it, bounded.

The bound is for what is added. What is refused is set aside in a full spool too, or nothing would ever leave it.

What `add` has returned for survives SIGKILL, a crash of the system and a power cut, as far as the disk keeps what it
has synced (WAL, synchronous=FULL). Threads that add at the same time share one sync. SQLite's exclusive lock says
whether the owner lives; a folder that several machines mount is not supported, since locks don't hold there.
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


class Waiting(NamedTuple):
    """An event in the spool; `seq` is its place."""

    seq: int
    event: Outgoing


class Refusal(NamedTuple):
    """Why the ledger will never take the event at this place."""

    seq: int
    code: str
    reason: str


class RefusedEvent(NamedTuple):
    """An event that was set aside, and why: `code` for programs, `reason` for people; `value` is its JSON."""

    account_id: str
    event_id: str
    recorded_ms: int
    value: bytes
    code: str
    reason: str


class SpoolInUse(Exception):
    """Another process holds this file, or has just removed it."""


class _Write:
    """An event that a thread wants written; whoever holds the lock writes it."""

    def __init__(self, event: Outgoing) -> None:
        self.event = event
        self.done = False
        # Until it is known to be written it is not: Ctrl-C may come at any moment.
        self.error: BaseException | None = InterruptedError("interrupted")


class Spool:
    """One file, held until `close`. Thread-safe. Raises SpoolInUse."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._writes: deque[_Write] = deque()
        self._closed = False
        self._pages_max = max(bytes_max // PAGE_BYTES, 8)
        # Never of its own accord: the file must not come back when its former owner removes it right now.
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            self.depth, self.refused_count, self.last_seq = self._hold()
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

    def head(self, bytes_max: int) -> list[Waiting]:
        """The oldest events, at most 1000 and about so many bytes, at least one if there is any."""
        found: list[Waiting] = []
        size = 0
        with self._using() as connection:
            for seq, *event in connection.execute(_SQL["head"]):
                found.append(Waiting(seq, Outgoing(*event)))
                size += len(found[-1].event.value)
                if size >= bytes_max:
                    break
        return found

    def first(self) -> tuple[int, int] | None:
        """Place and time (ms) of the oldest event that waits; None also when closed."""
        try:
            with self._using() as connection:
                found: tuple[int, int] | None = connection.execute(_SQL["first"]).fetchone()
        except Closed:
            return None
        return found

    def settle(self, delivered: Sequence[int], refused: Sequence[Refusal]) -> None:
        """Forgets what was delivered and sets aside what was refused."""
        gone = [*delivered, *(refusal.seq for refusal in refused)]
        with self._using() as connection, _transaction(connection):
            connection.executemany(_SQL["set_aside"], [refusal._asdict() for refusal in refused])
            connection.executemany(_SQL["forget"], [(seq,) for seq in gone])
            self.depth -= len(gone)
            self.refused_count += len(refused)

    def refused(self) -> list[RefusedEvent]:
        """What was set aside, oldest first."""
        with self._using() as connection:
            return [RefusedEvent(*row) for row in connection.execute(_SQL["refused"])]

    def retry_refused(self) -> None:
        """Lets what was set aside wait again, behind all that waits."""
        with self._using() as connection, _transaction(connection):
            connection.execute(_SQL["put_back"], {"last": self.last_seq})
            connection.execute(_SQL["drop_refused"])
            self.depth, self.refused_count, self.last_seq = connection.execute(_SQL["state"]).fetchone()

    def drop_refused(self) -> None:
        """Forgets what was set aside."""
        with self._using() as connection:
            connection.execute(_SQL["drop_refused"])
            self.refused_count = 0

    def close(self) -> None:
        """Lets go of the file, and removes it when nothing is in it."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            waiting, refused, _ = self._connection.execute(_SQL["state"]).fetchone()
            self._connection.close()
            _open_spools.discard(self)
            if not waiting and not refused:
                self.path.unlink(missing_ok=True)

    def _hold(self) -> tuple[int, int, int]:
        """Takes the lock for as long as the connection is open; how many wait, how many are refused, the last place."""
        connection = self._connection
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            with _transaction(connection):
                connection.execute(_SQL["waiting_table"])
                connection.execute(_SQL["refused_table"])
                state: tuple[int, int, int] = connection.execute(_SQL["state"]).fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise SpoolInUse from None
            raise
        if not self.path.exists():  # its former owner removed it between our opening and our locking it
            raise SpoolInUse
        return state

    def _write_all(self) -> None:
        """Writes what all threads want written, in one transaction; the lock is held."""
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
    """A file of this process's own. Raises SpoolUnusable."""
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
    """The files of processes that are gone, oldest first; ours from now on."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            spool = Spool(path, bytes_max)
        except SpoolInUse:
            continue
        except sqlite3.Error as error:
            if path.exists():
                log.warning("the spool %s can't be read, its events are not delivered: %s", path, error)
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
    """In a forked child: no connection is used or ever freed, since closing one would take away the parent's WAL."""
    for spool in list(_open_spools):
        spool._lock, spool._closed = threading.Lock(), True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(spool._connection))


os.register_at_fork(after_in_child=_leave_to_the_parent)
