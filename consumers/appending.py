"""Appending to ledger.events from a consumer: signed, by a producer that is made and made anew in the background."""

from weakref import WeakSet

from prometheus_client import Gauge

from ledger.log.publisher import Permit, Publisher
from ledger.settings import Settings
from schemas.events import Event
from schemas.topics import EVENTS

_SECONDS = 10
_WRITABLE = Gauge("ledger_log_writable", "1 while what this process appends to ledger.events is acknowledged.")


class Appending:
    """Threads may share it. Raises LogUnavailable when nobody acknowledges, LogRefused when `permit` does."""

    def __init__(self, settings: Settings, permit: Permit) -> None:
        self._settings, self._permit = settings, permit
        self._publisher = Publisher(settings, permit, delivery_seconds=_SECONDS, topics=[EVENTS], wait=False)
        _open.add(self)

    def __call__(self, event: Event) -> None:
        """Appends the event and returns once it is acknowledged."""
        self._publisher.append_event(EVENTS, event, self._settings.signing_key()).position()

    def check(self) -> None:
        """Raises LogRefused or LogUnavailable where nothing may be appended now."""
        self._permit.check()

    @property
    def trouble(self) -> str:
        """Why appends fail, in words; empty when they work."""
        return self._publisher.trouble

    def close(self) -> None:
        """Lets go of the producer."""
        _open.discard(self)
        self._publisher.close()


_open: WeakSet[Appending] = WeakSet()
_WRITABLE.set_function(lambda: not any(each.trouble for each in list(_open)))
