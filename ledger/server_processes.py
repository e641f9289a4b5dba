"""Keeps several processes running that serve one port.

uvicorn's own supervisor kills a process that does not answer within seconds, also while it still imports; on a busy
machine no process came up. Here a starting process has the time that it needs. A process that ends is logged and
restarted, with growing pauses. A process that has served and then does not answer for long is replaced.
"""

import signal
import threading
import time
from collections.abc import Sequence
from socket import socket

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Process

from ledger.backoff import Backoff
from ledger.core.errors import EXIT_CONFIG

STUCK_SECONDS = 30.0
_LOOK_SECONDS = 0.2
# After these exit codes a restart would not help.
_FATAL_CODES = (EXIT_CONFIG, STARTUP_FAILURE)

log = structlog.get_logger()


class ServerProcess:
    """One process, from its start on."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        self.process = Process(config, sockets)
        self.process.start()
        self.since = time.monotonic()
        self.serves = False
        self._asked_at: float | None = None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self.process.exitcode

    def ask(self) -> None:
        """Asks whether it serves, without waiting for the reply."""
        now = time.monotonic()
        while self.process.parent_conn.poll(0):
            self.serves = bool(self.process.parent_conn.recv()) or self.serves
            self._asked_at = None
        if self._asked_at is None:
            self.process.parent_conn.send(b"ping")
            self._asked_at = now

    @property
    def is_stuck(self) -> bool:
        """Whether it has served and has not replied for STUCK_SECONDS."""
        asked_at = self._asked_at or time.monotonic()
        return self.serves and time.monotonic() > asked_at + STUCK_SECONDS

    def end(self, seconds: float) -> None:
        """Ends it: cleanly if it ends in time, otherwise by SIGKILL."""
        self.process.terminate()
        self.process.process.join(seconds)
        if self.exit_code is None:
            self.process.process.kill()
            self.process.join()


class Slot:
    """One of the processes, and those that replace it."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        self._config, self._sockets = config, sockets
        self._backoff = Backoff()
        self._due: float | None = None
        self._next: ServerProcess | None = None
        self._running = ServerProcess(config, sockets)

    def keep(self) -> int | None:
        """Restarts the process if necessary. Returns the exit code of a process that a restart would not help."""
        now = time.monotonic()
        if self._due is not None:
            if now > self._due:
                self._running, self._due = ServerProcess(self._config, self._sockets), None
            return None
        code = self._running.exit_code
        if code is None:
            self._running.ask()
            if self._running.is_stuck:
                log.warning("process_stuck", process=self._running.process.pid)
                self._running.process.process.kill()
            return None
        pause = self._backoff.after(now - self._running.since)
        self._due = now + pause
        log.warning("process_ended", process=self._running.process.pid, **ending_fields(code), restarts_in=pause)
        return code if code in _FATAL_CODES else None

    def renew(self) -> bool:
        """Starts a new process and switches to it when it serves. Returns whether that has happened or failed."""
        if self._next is None:
            self._next = ServerProcess(self._config, self._sockets)
        if self._next.exit_code is not None:
            log.warning("process_not_renewed", **ending_fields(self._next.exit_code))
        elif not self._next.serves:
            self._next.ask()
            return False
        else:
            before, self._running, self._due = self._running, self._next, None
            threading.Thread(target=before.end, args=(STUCK_SECONDS,), daemon=True).start()
        self._next = None
        return True

    def end(self, seconds: float) -> None:
        """Ends the processes of this slot."""
        for running in filter(None, (self._running, self._next)):
            running.end(seconds)


def run(config: uvicorn.Config, sockets: list[socket], stop_seconds: float) -> int:
    """Keeps `config.workers` processes until SIGTERM or SIGINT; returns the exit code.

    SIGHUP replaces them one by one.
    """
    stop, renew = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    signal.signal(signal.SIGHUP, lambda _number, _frame: renew.set())
    slots = [Slot(config, sockets) for _ in range(config.workers)]
    try:
        return _keep(slots, stop, renew)
    finally:
        ending = [threading.Thread(target=slot.end, args=(stop_seconds,)) for slot in slots]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()


def _keep(slots: Sequence[Slot], stop: threading.Event, renew: threading.Event) -> int:
    old: list[Slot] = []
    while not stop.wait(_LOOK_SECONDS):
        if renew.is_set():
            renew.clear()
            old = list(slots)
        if old and old[0].renew():
            del old[0]
        for slot in slots:
            code = slot.keep()
            if code is not None:
                return code
    return 0


def ending_fields(code: int) -> dict[str, int | str]:
    """How a process ended, as fields of a log line: its exit code, or the signal that killed it."""
    return {"exit_code": code} if code >= 0 else {"signal": signal.Signals(-code).name}
