"""The watchdog: ends a worker that has records to fold and commits nothing, so that it is restarted.

Consumers that stop silently have been reported upstream. A restart continues from Postgres and is safe at any time.
Waiting for Postgres, Kafka or the book is no stall, because a restart would not help. If Postgres stops answering, the
event loop waits for it; the watchdog closes that connection before the wait looks like a stall.
"""

import os
import threading
import time
from collections.abc import Callable

import structlog

EXIT_STALLED = 70
_INTERRUPT = 0.8  # as a share of the stall time

log = structlog.get_logger()


class Watchdog:
    """A thread beside the event loop, because the loop itself may be stuck."""

    def __init__(self, stall_seconds: float, interrupt: Callable[[], None]) -> None:
        self._stall_seconds, self._interrupt = stall_seconds, interrupt
        self._progress_at = self._beat_at = time.monotonic()
        self._lag = 0
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def progressed(self) -> None:
        """Something was committed, or the worker waits for something outside."""
        self._progress_at = time.monotonic()

    def beat(self, lag: int) -> None:
        """The event loop runs, and `lag` records wait to be folded."""
        self._beat_at = time.monotonic()
        if not lag:
            self.progressed()
        self._lag = lag

    def _watch(self) -> None:
        while True:
            time.sleep(min(1.0, self._stall_seconds / 4))
            now = time.monotonic()
            if now - self._beat_at > _INTERRUPT * self._stall_seconds:
                self._interrupt()
            stalled = max(now - self._beat_at, now - self._progress_at if self._lag else 0)
            if stalled > self._stall_seconds:
                log.error("worker_stalled", seconds=round(stalled, 1), lag=self._lag)
                os._exit(EXIT_STALLED)
