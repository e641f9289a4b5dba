"""Processes of the ledger under supervision as systemd gives it: each that ends is started again, but for exit code 78.

None outlives the test run: the kernel ends them with it.
"""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.support.programs import Program

EXIT_REFUSED = 78
# RestartSec and RestartMaxDelaySec of deploy/systemd.
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 1.0, 30.0
HEALTHY_SECONDS = 60.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.1


class Service:
    """`ledger <arguments>`, kept running. All that its runs say is in `log`."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = log.stem, log
        self.starts, self.refused, self.off = 0, False, False
        self._arguments, self._environment = arguments, environment
        self._pause, self._due, self._started = PAUSE_SECONDS_MIN, 0.0, 0.0
        self._process: Program | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> psutil.Process:
        """The one that runs now."""
        assert self._process is not None, f"{self.name} was not started"
        return psutil.Process(self._process.pid)

    def children(self) -> list[psutil.Process]:
        """What it has started to answer requests, oldest first; none while it is down."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return sorted(filter(_serves, self.process.children()), key=lambda child: child.pid)
        return []

    def tend(self) -> None:
        """Starts it when it does not run and its pause is over, unless it is switched off or has refused."""
        if self.alive or self.refused or self.off:
            return
        now = time.monotonic()
        if self._process is None:
            return self._start()
        if not self._due:
            self.refused = self._process.returncode == EXIT_REFUSED
            healthy = now - self._started > HEALTHY_SECONDS
            self._pause = PAUSE_SECONDS_MIN if healthy else min(self._pause * 2, PAUSE_SECONDS_MAX)
            self._due = now + self._pause
        elif now >= self._due:
            self._start()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what does not end."""
        if self._process is None:
            return
        children = self.children()
        if self.alive:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        for child in children:
            if child.is_running():
                child.kill()

    def _start(self) -> None:
        with self.log.open("ab") as out:
            self._process = Program(
                "-m", "ledger.cli", *self._arguments, environment=self._environment, stdout=out, stderr=out
            )
        self._started, self._due = time.monotonic(), 0.0
        self.starts += 1


def _serves(child: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # one that was killed stays for a while as a zombie
        return "spawn_main" in " ".join(child.cmdline())
    return False


class Supervisor:
    """Tends its services in a thread of its own until the block ends, and then stops them, those added last first."""

    def __init__(self) -> None:
        self.all: list[Service] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tend, name="supervisor", daemon=True)

    def add(self, service: Service) -> Service:
        """One more, which runs when this returns."""
        self.all.append(service)
        while not service.starts:
            time.sleep(_POLL_SECONDS)
        return service

    def __enter__(self) -> "Supervisor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        while self._thread.is_alive():
            time.sleep(_POLL_SECONDS)

    def _tend(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            for service in list(self.all):
                service.tend()
        for service in reversed(self.all):
            service.stop()
