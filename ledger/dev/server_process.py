"""A server process that never outlives this one. It has a supervisor, its own session, and a log for each run."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from ledger.dev import supervisor
from ledger.dev.errors import DidNotStart
from ledger.dev.folder_lock import FolderLock

STOP_SECONDS = 30.0


class ServerProcess:
    """One run of a command in `folder`. Output goes to `log`; the previous run's is kept as `*.previous`."""

    def __init__(
        self,
        command: list[str],
        *,
        folder: Path,
        log: Path,
        lock: FolderLock,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: str | None = None,
    ) -> None:
        self.log = log
        job = {
            "command": command,
            "folder": str(folder),
            "parent": os.getpid(),
            "stop_signal": stop_signal,
            "stop_seconds": STOP_SECONDS,
            "user": user,
        }
        self._supervisor = _start_supervisor(job, log, lock.file)
        self.pid = self._read_pid()

    @property
    def alive(self) -> bool:
        """Whether the server is running."""
        return self._supervisor.poll() is None

    def wait(self, timeout: float) -> int:
        """Waits until the command ends by itself; returns its exit code."""
        return self._supervisor.wait(timeout)

    def stop(self) -> None:
        """Stops the server cleanly; does nothing if it has ended."""
        if self.alive:
            self._supervisor.terminate()
        self._supervisor.wait(STOP_SECONDS + 10)

    def kill(self) -> None:
        """Kills the server and its children with SIGKILL, as a power cut would."""
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(self.pid)
            for process in [server, *server.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._supervisor.wait(STOP_SECONDS)

    def _read_pid(self) -> int:
        assert self._supervisor.stdout is not None
        with self._supervisor.stdout as answer:
            line = answer.readline()
        if not line:
            self._supervisor.wait(STOP_SECONDS)
            raise DidNotStart(self.log.stem, "could not be launched", self.log)
        return int(line)


def _start_supervisor(job: dict[str, object], log: Path, lock: int) -> subprocess.Popen[bytes]:
    if log.exists():
        log.replace(log.with_name(f"{log.name}.previous"))
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(job)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=os.environ | {"LC_ALL": "C"},
            start_new_session=True,  # a Ctrl-C in the terminal goes to this process, which stops the servers
            pass_fds=(lock,),
        )
