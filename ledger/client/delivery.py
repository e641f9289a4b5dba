"""Delivery from the spool to the ledger: a thread sends events, oldest first, until the ledger accepts or rejects each.

An event leaves the spool only when the ledger has acknowledged it. So an event may be sent twice, and the ledger
recognizes the second by its id; but no event is lost. Each failure is counted, logged and retried.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from ledger.client.errors import Closed, EventsRejected, NotDelivered, UsedAfterFork
from ledger.client.events import Outgoing
from ledger.client.spool import Rejection, Spool, SpooledEvent, new_spool, orphans

PORTION_BYTES = 512 * 1024
PAUSE_SECONDS_MAX = 2.0
ADOPTION_SECONDS = 30.0

log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """The result of one batch: places the ledger accepted, events it rejected, and why the rest is retried."""

    delivered: Sequence[int] = ()
    rejected: Sequence[Rejection] = ()
    trouble: str = ""


class Transport(Protocol):
    """A way to the ledger."""

    def send(self, portion: Sequence[SpooledEvent]) -> Outcome:
        """Sends events in order. An account's event is not sent before its earlier ones are accepted or rejected."""

    def close(self) -> None:
        """Closes at once, also while another thread is sending."""


class Delivery:
    """The spools of one process and the thread that empties them. Raises SpoolUnusable.

    `delivered` is called with the ids of events that the ledger accepted.
    """

    def __init__(
        self,
        folder: Path,
        bytes_max: int,
        connect: Callable[[], Transport],
        delivered: Callable[[Iterable[str]], None],
    ) -> None:
        self._pid = os.getpid()
        self._tell = delivered
        self._folder, self._bytes_max = folder, bytes_max
        self._transport = connect()
        adopted = list(orphans(folder, bytes_max))
        self._own = new_spool(folder, bytes_max)
        self.spools = [*adopted, self._own]
        self.delivered_total = self.rejected_total = self.failures_total = 0
        self.trouble, self._adopted_at = "", time.monotonic()
        self._wake, self._stop, self._moved = threading.Event(), threading.Event(), threading.Condition()
        self._thread = threading.Thread(target=self._run, name="ledger-delivery", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """How many events wait in the spools."""
        return sum(spool.depth for spool in self.spools)

    @property
    def rejected_count(self) -> int:
        """How many events are set aside because the ledger rejected them."""
        return sum(spool.rejected_count for spool in self.spools)

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest waiting event in seconds; 0 if none waits."""
        recorded = [first[1] for spool in self.spools if (first := spool.first())]
        return max(0.0, time.time() - min(recorded) / 1000) if recorded else 0.0

    def check(self) -> None:
        """Raises Closed, UsedAfterFork."""
        self._refuse_child()
        if self._stop.is_set():
            raise Closed

    def add(self, event: Outgoing) -> None:
        """Returns when the event is on the disk. Raises SpoolFull, SpoolUnusable, Closed, UsedAfterFork."""
        self._refuse_child()
        self._own.add(event)
        self._wake.set()

    def flush(self, timeout_seconds: float) -> None:
        """Waits until the events added so far are delivered.

        Raises NotDelivered; EventsRejected if any is set aside.
        """
        self._refuse_child()
        targets = [(spool, spool.last_seq) for spool in self.spools]
        with self._moved:
            arrived = self._moved.wait_for(lambda: all(_through(*target) for target in targets), timeout_seconds)
            if not arrived or (self._stop.is_set() and self.depth):
                waiting = f"{self.depth} after {timeout_seconds:g} s"
                raise NotDelivered(f"{waiting}; {self.trouble}" if self.trouble else waiting)
        if self.rejected_count:
            raise EventsRejected(str(self.rejected_count))

    def close(self, timeout_seconds: float) -> bool:
        """Delivers for up to `timeout_seconds`, then closes. The next process that opens the spool delivers the rest.

        Returns False in a forked child, which has nothing to close.
        """
        if os.getpid() != self._pid:
            return False
        with suppress(NotDelivered, EventsRejected):
            self.flush(timeout_seconds)
        self._stop.set()
        self._wake.set()
        self._transport.close()
        self._thread.join(1)
        for spool in self.spools:
            spool.close()
        if self.depth:
            log.warning("%d events stay in the spool %s for the next process", self.depth, self._folder)
        return True

    def retry_rejected(self) -> None:
        """Puts all events that were set aside back among the waiting ones."""
        for spool in self.spools:
            spool.retry_rejected()
        self._wake.set()

    def _refuse_child(self) -> None:
        if os.getpid() != self._pid:
            raise UsedAfterFork

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._wake.clear()
            trouble, idle = self._deliver()
            if self._stop.is_set():
                break
            failures = failures + 1 if trouble else 0
            self._note(trouble)
            if trouble:
                self._stop.wait(min(0.05 * 2.0 ** min(failures, 10), PAUSE_SECONDS_MAX))
            elif idle:
                self._wake.wait(ADOPTION_SECONDS)

    def _deliver(self) -> tuple[str, bool]:
        """Sends one batch. Returns what went wrong ("" if nothing), and whether there was nothing to send."""
        try:
            self._adopt()
            spool, portion = self._portion()
            if not portion:
                return "", True
            outcome = self._transport.send(portion)
            spool.settle(outcome.delivered, outcome.rejected)
            taken = set(outcome.delivered)
            self._tell(event.event_id for seq, event in portion if seq in taken)
        except Closed:
            return "", True
        except Exception as error:  # the events still wait, and the thread must not end
            log.debug("delivery failed", exc_info=True)
            return f"{type(error).__name__}: {error}", False
        self._count(outcome)
        return outcome.trouble, False

    def _adopt(self) -> None:
        """Takes over the spools of processes that have ended, every ADOPTION_SECONDS."""
        if time.monotonic() - self._adopted_at > ADOPTION_SECONDS:
            # Set first, so that a folder that can't be read does not stop this process's own events.
            self._adopted_at = time.monotonic()
            self.spools = [*orphans(self._folder, self._bytes_max), *self.spools]

    def _portion(self) -> tuple[Spool, list[SpooledEvent]]:
        """The oldest events of the oldest spool that has any. Adopted spools are closed when they are empty."""
        for spool in self.spools[:-1]:
            if portion := spool.head(PORTION_BYTES):
                return spool, portion
            if not spool.rejected_count:
                self.spools = [other for other in self.spools if other is not spool]
                spool.close()
        return self._own, self._own.head(PORTION_BYTES)

    def _count(self, outcome: Outcome) -> None:
        self.delivered_total += len(outcome.delivered)
        self.rejected_total += len(outcome.rejected)
        for rejection in outcome.rejected:
            log.error("the ledger rejected an event; it is set aside: %s: %s", rejection.code, rejection.reason)
        with self._moved:
            self._moved.notify_all()

    def _note(self, trouble: str) -> None:
        self.failures_total += bool(trouble)
        if trouble and trouble != self.trouble:
            log.warning("events can't be delivered and wait in the spool: %s", trouble)
        elif self.trouble and not trouble:
            log.info("events are delivered again")
        self.trouble = trouble


def _through(spool: Spool, seq: int) -> bool:
    """Whether all events up to this place have left the spool."""
    first = spool.first()
    return first is None or first[0] > seq
