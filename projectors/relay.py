"""The relay: publishes what folds left in the outbox, in order, after their transactions; after a crash, twice.

Twice is harmless: ids are deterministic. It runs in a thread of the worker that owns the partitions whose folds wrote
the messages, so that one account's messages never overtake each other.
"""

import threading
from collections.abc import Iterable

import psycopg
import structlog

from ledger.log.publisher import LogUnavailable, Publisher
from ledger.records import outbox, rebuilds
from ledger.records.release import connect
from ledger.settings import Settings
from schemas.signatures import SIGNATURE_HEADER

_IDLE_SECONDS = 1.0

log = structlog.get_logger()


class Relay:
    """Publishes the outbox of the partitions that it was told to `own`, until closed; `wake` saves it the wait."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._owned: frozenset[int] = frozenset()
        self._awake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def own(self, partitions: Iterable[int]) -> None:
        """Says which partitions' messages are to be published from now on."""
        self._owned = frozenset(partitions)

    def wake(self) -> None:
        """Says that there is something to publish."""
        self._awake.set()

    def close(self) -> None:
        """Ends the thread; what is left is published by the partition's next owner."""
        self._closing = True
        self._awake.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closing:
            try:
                self._relay_until_closed()
            except (psycopg.OperationalError, LogUnavailable, rebuilds.RebuildRunning) as error:
                # Nothing is lost: messages stay in the outbox until they are marked as sent.
                log.warning("relay_waits", reason=type(error).__name__)
                self._awake.wait(_IDLE_SECONDS)

    def _relay_until_closed(self) -> None:
        with (
            connect(self._settings.database, autocommit=True, application_name="ledger-relay") as connection,
            Publisher(self._settings) as publisher,
        ):
            rebuilds.share(connection)  # what a rebuild puts into the outbox is not settled before its end
            while not self._closing:
                self._awake.clear()
                if not self._relay(connection, publisher):
                    self._awake.wait(_IDLE_SECONDS)

    def _relay(self, connection: outbox.Connection, publisher: Publisher) -> bool:
        """Publishes one portion; whether there was any."""
        messages = outbox.waiting(connection, sorted(self._owned))
        appends = [
            publisher.append(message.topic, message.key, message.value, _headers(message)) for message in messages
        ]
        for append in appends:
            append.position()
        if messages:
            outbox.mark_sent(connection, messages)
        return bool(messages)


def _headers(message: outbox.Message) -> list[tuple[str, bytes]]:
    return [(SIGNATURE_HEADER, message.signature.encode())] if message.signature else []
