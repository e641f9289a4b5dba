"""The relay: publishes the messages that folds left in the outbox, in order, after their transactions. After a crash it
may publish them twice.

That is harmless, because ids are derived. It runs in a thread of the worker that owns the partitions of the messages,
so one account's messages stay in order. A message that Kafka refuses for its size is shortened if possible; otherwise
it is set aside and tried again later, so that the others do not wait.
"""

import threading
from collections import deque
from collections.abc import Iterable, Sequence

import psycopg
import structlog

from ledger.log.dead_letters import shortened
from ledger.log.publisher import AppendGuard, LogUnavailable, PendingAppend, Publisher, RecordRefused
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
    """Publishes the outbox of its partitions until it is closed. `wake` makes it look at once.

    In a copy it publishes nothing: the messages in a dump's outbox are the original's.
    """

    def __init__(self, settings: Settings, guard: AppendGuard) -> None:
        self._settings = settings
        self._owned: frozenset[int] = frozenset()
        self._awake = threading.Event()
        self._closing = False
        self._publisher = Publisher(settings, guard, wait=False)
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        if not settings.fold_only:
            self._thread.start()

    def set_partitions(self, partitions: Iterable[int]) -> None:
        """Sets the partitions whose messages it publishes from now on."""
        self._owned = frozenset(partitions)

    def wake(self) -> None:
        """Tells the thread that there are messages to publish."""
        self._awake.set()

    def close(self) -> None:
        """Ends the thread. The partition's next owner publishes the rest."""
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
                # Messages stay in the outbox until they are marked as sent, so nothing is lost.
                log.warning("relay_waits", reason=type(error).__name__)
                self._awake.wait(_IDLE_SECONDS)

    def _relay_until_closed(self) -> None:
        with connect(self._settings.database, RELAY) as connection:
            rebuilds.share(connection)  # a rebuild may withdraw messages from the outbox until it ends
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
        """Publishes messages singly to find the one that Kafka refuses: of a batch it refuses all."""
        while left and not self._closing:
            try:
                _publish(self._publisher, [left[0]])
            except RecordRefused as error:
                left.extendleft(self._shortened(connection, left.popleft(), error))
            else:
                outbox.mark_sent(connection, [left.popleft()])

    def _shortened(self, connection: Connection, message: outbox.Message, error: RecordRefused) -> list[outbox.Message]:
        """The message, shortened; an empty list if that is not possible, and it is set aside."""
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
    """Publishes messages, and returns when all are acknowledged. Raises LogUnavailable or RecordRefused.

    A refused record ends the producer, and with it the appends beside it. Of several failures the refusal is raised.
    """
    if not messages:
        return
    log, appends, failures = publisher.in_order(), list[PendingAppend](), list[LogUnavailable]()
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
