"""Several processes that answer behind one port, kept running.

uvicorn's own supervisor kills a process that does not answer within seconds, which one that imports never does: on a
busy machine none came up. Here a process that starts has the time that it needs. One that ends is a warning, and its
place is taken again, later and later if that ends too; one that has served and stands still for long is replaced.
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

STANDSTILL_SECONDS = 30.0
_LOOK_SECONDS = 0.2
# What a process ends with that would end the same way again.
_FOR_GOOD = (EXIT_CONFIG, STARTUP_FAILURE)

log = structlog.get_logger()


class Running:
    """One process, from its start on."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        self.process = Process(config, sockets)
        self.process.start()
        self.since = time.monotonic()
        self.serves = False
        self._asked_at: float | None = None

    @property
    def exit_code(self) -> int | None:
        """What it has ended with, below zero by a signal; None while it runs."""
        return self.process.exitcode

    def ask(self) -> None:
        """Asks whether it serves, without waiting for the answer."""
        now = time.monotonic()
        while self.process.parent_conn.poll(0):
            self.serves = bool(self.process.parent_conn.recv()) or self.serves
            self._asked_at = None
        if self._asked_at is None:
            self.process.parent_conn.send(b"ping")
            self._asked_at = now

    @property
    def stands_still(self) -> bool:
        """Whether it has served and has not answered for long."""
        asked_at = self._asked_at or time.monotonic()
        return self.serves and time.monotonic() > asked_at + STANDSTILL_SECONDS

    def end(self, seconds: float) -> None:
        """Ends it, in order if it does so in time."""
        self.process.terminate()
        self.process.process.join(seconds)
        if self.exit_code is None:
            self.process.process.kill()
            self.process.join()


class Place:
    """One of the processes, whichever takes its place."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        self._config, self._sockets = config, sockets
        self._backoff = Backoff()
        self._due: float | None = None
        self._next: Running | None = None
        self._running = Running(config, sockets)

    def keep(self) -> int | None:
        """Looks after it; the exit code of a process that ended for good."""
        now = time.monotonic()
        if self._due is not None:
            if now > self._due:
                self._running, self._due = Running(self._config, self._sockets), None
            return None
        code = self._running.exit_code
        if code is None:
            self._running.ask()
            if self._running.stands_still:
                log.warning("process_stands_still", process=self._running.process.pid)
                self._running.process.process.kill()
            return None
        pause = self._backoff.after(now - self._running.since)
        self._due = now + pause
        log.warning("process_ended", process=self._running.process.pid, **ended(code), restarts_in=pause)
        return code if code in _FOR_GOOD else None

    def renew(self) -> bool:
        """Has a new process take over as soon as it serves; whether that is done, or has failed."""
        if self._next is None:
            self._next = Running(self._config, self._sockets)
        if self._next.exit_code is not None:
            log.warning("process_not_renewed", **ended(self._next.exit_code))
        elif not self._next.serves:
            self._next.ask()
            return False
        else:
            before, self._running, self._due = self._running, self._next, None
            threading.Thread(target=before.end, args=(STANDSTILL_SECONDS,), daemon=True).start()
        self._next = None
        return True

    def end(self, seconds: float) -> None:
        """Ends what runs here."""
        for running in filter(None, (self._running, self._next)):
            running.end(seconds)


def run(config: uvicorn.Config, sockets: list[socket], stop_seconds: float) -> int:
    """Keeps `config.workers` processes until SIGTERM or SIGINT; what to exit with. SIGHUP renews them one by one."""
    stop, renew = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    signal.signal(signal.SIGHUP, lambda _number, _frame: renew.set())
    places = [Place(config, sockets) for _ in range(config.workers)]
    try:
        return _keep(places, stop, renew)
    finally:
        ending = [threading.Thread(target=place.end, args=(stop_seconds,)) for place in places]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()


def _keep(places: Sequence[Place], stop: threading.Event, renew: threading.Event) -> int:
    old: list[Place] = []
    while not stop.wait(_LOOK_SECONDS):
        if renew.is_set():
            renew.clear()
            old = list(places)
        if old and old[0].renew():
            del old[0]
        for place in places:
            code = place.keep()
            if code is not None:
                return code
    return 0


def ended(code: int) -> dict[str, int | str]:
    """How a process ended, for a log: its exit code, or the signal that killed it."""
    return {"exit_code": code} if code >= 0 else {"signal": signal.Signals(-code).name}
