"""Appending to ledger.events from a consumer: signed, by a producer that is made when there is something to append."""

import threading

from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.events import Event
from schemas.topics import EVENTS

_SECONDS = 10


class Appending:
    """Threads may share it. Raises LogUnavailable when nobody acknowledges."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._publisher: Publisher | None = None
        self._beginning = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Appends the event and returns once it is acknowledged."""
        with self._beginning:
            if self._publisher is None:
                self._publisher = Publisher(self._settings, delivery_seconds=_SECONDS)
        self._publisher.append_event(EVENTS, event, self._settings.signing_key()).position()

    def close(self) -> None:
        """Lets go of the producer."""
        if self._publisher is not None:
            self._publisher.close()
