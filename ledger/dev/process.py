"""A server process that never outlives us: it has a supervisor, its own session, and a log of its own for each run."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from ledger.dev import supervise
from ledger.dev.errors import DidNotStart
from ledger.dev.lock import FolderLock

PATIENCE_SECONDS = 30.0


class ServerProcess:
    """One run of one command in `folder`; output goes to `log`, the previous run's stays beside it as `*.previous`."""

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
        order = {
            "command": command,
            "folder": str(folder),
            "parent": os.getpid(),
            "stop_signal": stop_signal,
            "patience": PATIENCE_SECONDS,
            "user": user,
        }
        self._supervisor = _supervised(order, log, lock.file)
        self.pid = self._read_pid()

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return self._supervisor.poll() is None

    def wait(self, timeout: float) -> int:
        """The command's exit code, once it has ended by itself."""
        return self._supervisor.wait(timeout)

    def stop(self) -> None:
        """End the server in order; harmless when it has ended already."""
        if self.alive:
            self._supervisor.terminate()
        self._supervisor.wait(PATIENCE_SECONDS + 10)

    def kill(self) -> None:
        """End the server and its children with SIGKILL, as a power cut would."""
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(self.pid)
            for process in [server, *server.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._supervisor.wait(PATIENCE_SECONDS)

    def _read_pid(self) -> int:
        assert self._supervisor.stdout is not None
        with self._supervisor.stdout as answer:
            line = answer.readline()
        if not line:
            self._supervisor.wait(PATIENCE_SECONDS)
            raise DidNotStart(self.log.stem, "could not be launched", self.log)
        return int(line)


def _supervised(order: dict[str, object], log: Path, lock: int) -> subprocess.Popen[bytes]:
    if log.exists():
        log.replace(log.with_name(f"{log.name}.previous"))
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", supervise.__file__, json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=os.environ | {"LC_ALL": "C"},
            start_new_session=True,  # a Ctrl-C in the terminal is for us: we stop the servers in order
            pass_fds=(lock,),
        )
