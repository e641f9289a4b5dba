"""The keys that were revoked by the log: a thread follows the log, because Postgres may have been restored.

This also works while Postgres is away. Until the topic was read once, a key is accepted if Postgres was in use lately
(docs/decisions/0018).
"""

import threading

import structlog
from kafka.errors import KafkaError

from ledger.core.errors import LedgerError
from ledger.log.book import BookFollower
from ledger.log.records_log import records_log
from ledger.settings import Settings
from schemas.records import ApiKeyRevoked

_POLL_SECONDS = 1

log = structlog.get_logger()


class RevocationsUnknown(LedgerError):
    message = "Perhaps this database was restored, and Kafka does not say which keys were revoked since; try again"


class RevokedKeys:
    """`key_id in revoked`. `read_once`: the topic was read to its end. `close` ends the thread."""

    def __init__(self, settings: Settings, book: BookFollower) -> None:
        self._settings, self._book = settings, book
        self._key_ids: set[str] = set()
        self._reason = ""
        self._first_read, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="revoked", daemon=True)
        self._thread.start()

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._key_ids

    @property
    def read_once(self) -> bool:
        """Whether it knows all keys that were revoked before this process started."""
        return self._first_read.is_set()

    def wait(self, timeout_seconds: float) -> bool:
        """Waits until the topic was read once; False when it was not in time."""
        return self._first_read.wait(timeout_seconds)

    def close(self) -> None:
        """Ends the thread."""
        self._closing.set()
        self._thread.join(timeout=10)

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                self._follow_until_closed()
            except (KafkaError, LedgerError) as error:
                # What is known stays known.
                self._warn(str(error) if isinstance(error, LedgerError) else type(error).__name__)
                self._closing.wait(_POLL_SECONDS)

    def _warn(self, reason: str) -> None:
        """Once for each reason: this is tried every second."""
        if reason != self._reason:
            log.warning("revoked_keys_not_followed", reason=reason)
        self._reason = reason

    def _follow_until_closed(self) -> None:
        with records_log(self._settings) as log:
            while not self._closing.is_set():
                events = log.to_end(self._book.book)
                self._key_ids.update(event.data.key_id for event in events if isinstance(event, ApiKeyRevoked))
                self._first_read.set()
                self._reason = ""
                self._closing.wait(_POLL_SECONDS)
