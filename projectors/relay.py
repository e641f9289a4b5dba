"""The relay: publishes what folds left in the outbox, in order, after their transactions; after a crash, twice.

Twice is harmless: ids are deterministic. It runs in a thread of the worker that owns the partitions whose folds wrote
the messages, so that one account's messages never overtake each other. What Kafka refuses for its size is sent short
where that can be, else set aside and tried again later: nothing waits behind it.
"""

import threading
from collections import deque
from collections.abc import Iterable, Sequence

import psycopg
import structlog

from ledger.log.dead_letters import shortened
from ledger.log.publisher import Append, LogUnavailable, Permit, Publisher, RecordRefused
from ledger.postgres.connections import connect
from ledger.postgres.kinds import RELAY
from ledger.postgres.types import Connection
from ledger.records import outbox, rebuilds
from ledger.settings import Settings
from schemas.fields import json_of
from schemas.signatures import SIGNATURE_HEADER
from schemas.topics import DEAD_LETTERS

_IDLE_SECONDS = 1.0

log = structlog.get_logger()


class Relay:
    """Publishes the outbox of the partitions that it was told to `own`, until closed; `wake` saves it the wait.

    In a copy it publishes nothing: what a dump has in its outbox is for the original to say.
    """

    def __init__(self, settings: Settings, permit: Permit) -> None:
        self._settings = settings
        self._owned: frozenset[int] = frozenset()
        self._awake = threading.Event()
        self._closing = False
        self._publisher = Publisher(settings, permit, wait=False)
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        if not settings.fold_only:
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
        self._publisher.close()
        if self._thread.is_alive():
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
        with connect(self._settings.database, RELAY) as connection:
            rebuilds.share(connection)  # what a rebuild puts into the outbox is not settled before its end
            while not self._closing:
                self._awake.clear()
                messages = outbox.waiting(connection, sorted(self._owned))
                try:
                    _publish(self._publisher, messages)
                except RecordRefused:
                    self._publish_one_by_one(connection, deque(messages))
                    continue
                if not messages:
                    self._awake.wait(_IDLE_SECONDS)
                else:
                    outbox.mark_sent(connection, messages)

    def _publish_one_by_one(self, connection: Connection, left: deque[outbox.Message]) -> None:
        """Finds what Kafka refuses: of what is sent together it refuses all."""
        while left and not self._closing:
            try:
                _publish(self._publisher, [left[0]])
            except RecordRefused as error:
                left.extendleft(self._shortened(connection, left.popleft(), error))
            else:
                outbox.mark_sent(connection, [left.popleft()])

    def _shortened(self, connection: Connection, message: outbox.Message, error: RecordRefused) -> list[outbox.Message]:
        """The message, cut down; none when that can't be, and it is set aside."""
        letter = shortened(message.value) if message.topic == DEAD_LETTERS else None
        if letter is None:
            log.error("message_refused", topic=message.topic, message_id=message.message_id, reason=error.detail)
            outbox.refuse(connection, message)
            return []
        value = json_of(letter)
        _, signature = self._settings.signing_key().header(value)
        message = message._replace(value=value, signature=signature.decode())
        outbox.replace(connection, message)
        return [message]


def _publish(publisher: Publisher, messages: Sequence[outbox.Message]) -> None:
    """Publishes messages, and returns once all are acknowledged. Raises LogUnavailable or RecordRefused.

    A refused record ends the producer, and with it the appends beside it: of several failures the refusal counts.
    """
    if not messages:
        return
    log, appends, failures = publisher.in_order(), list[Append](), list[LogUnavailable]()
    try:
        for message in messages:
            appends.append(log.append(message.topic, message.key, message.value, _headers(message)))
    except LogUnavailable as error:
        failures.append(error)
    for append in appends:
        try:
            append.position()
        except LogUnavailable as error:
            failures.append(error)
    if failures:
        raise next((error for error in failures if isinstance(error, RecordRefused)), failures[0])


def _headers(message: outbox.Message) -> list[tuple[str, bytes]]:
    return [(SIGNATURE_HEADER, message.signature.encode())] if message.signature else []
