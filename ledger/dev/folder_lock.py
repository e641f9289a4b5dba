"""One folder, one owner: a lock that the kernel releases when the last process that holds it has ended.

The servers' supervisors inherit the lock, so a folder stays locked while a server of a dead owner is still stopping.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from ledger.dev.errors import FolderInUse

WAIT_FOR_THE_DEAD_SECONDS = 60.0


class FolderLock:
    """Holds `folder/.lock`, which has the owner's pid. Raises FolderInUse while another living process holds it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    @property
    def file(self) -> int:
        """The descriptor that carries the lock. A child that inherits it shares the lock."""
        if self._file is None:
            raise ValueError(f"{self._folder} is not locked")
        return self._file

    def acquire(self) -> Self:
        """Takes the lock. If only stopping servers of a dead owner hold it, waits for them."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait(file)
        except BaseException:
            os.close(file)
            raise
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file
        return self

    def release(self) -> None:
        """Releases the lock; does nothing if it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _wait(self, file: int) -> None:
        deadline = time.monotonic() + WAIT_FOR_THE_DEAD_SECONDS
        while not _locked(file):
            owner = int(os.pread(file, 32, 0) or b"0")
            if _lives(owner) or time.monotonic() > deadline:
                raise FolderInUse(self._folder, owner)
            time.sleep(0.05)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it is alive and belongs to another user
    return True
