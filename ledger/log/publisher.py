"""Appending to the log: every append is acknowledged by all in-sync replicas, or is an exception.

Only processes that hold a signing key sign; a router's process has none and can publish usage and traces only.
"""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import structlog
from kafka import TopicPartition
from kafka.errors import (
    InvalidRecordError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from ledger.core.errors import LedgerError
from ledger.log.connecting import LogUnavailable as LogUnavailable
from ledger.log.connecting import refusals_in_words
from ledger.log.drafts import Headers, signed_draft, unsigned_draft
from ledger.log.producer import SILENT_SECONDS, Producer
from ledger.settings import Settings
from schemas.envelope import Envelope
from schemas.signatures import SigningKey

_CHECK_SECONDS = 1.0
_GIVE_UP_SECONDS = 10
_RETRY_SECONDS = 0.5
_REFUSED_SECONDS = 2.0
_FLUSH_SECONDS = 10
_GONE_SECONDS = 2
_CLOSE_SECONDS = 15

log = structlog.get_logger()


_REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError)


class RecordRefused(LogUnavailable):
    message = "Kafka refuses this record, or one that was sent with it, and will again"


class Position(NamedTuple):
    """The place of a record on its topic."""

    partition: int
    offset: int


class Destination(NamedTuple):
    """The partition of a record to append, and its lowest possible offset. `topic` with the deployment's prefix."""

    partition: int
    begins_at: int
    topic: str


class AppendGuard(Protocol):
    """Decides whether a process may append: ledger.guard implements it."""

    def check(self) -> None:
        """Raises LogRefused, or LogUnavailable while that is not known."""

    def place(self, topic: str, key: bytes, partitions: int) -> Destination:
        """Where a record goes. `partitions`: how many the producer sees. Raises LogRefused or LogUnavailable."""

    def acknowledged(self, place: Destination, offset: int) -> None:
        """Raises LogRefused when this log can't have given a record that offset."""


def _failed(error: KafkaError) -> LogUnavailable:
    return (RecordRefused if isinstance(error, _REFUSALS) else LogUnavailable)(type(error).__name__)


class PendingAppend:
    """An append under way."""

    def __init__(self, future: Any, guard: AppendGuard | None, place: Destination | None) -> None:
        self._future, self._guard, self._place = future, guard, place

    def position(self, timeout_seconds: float = 30) -> Position:
        """Waits for the acknowledgement. Raises LogUnavailable, RecordRefused; LogRefused when another log gave it."""
        try:
            with refusals_in_words():
                metadata = self._future.get(timeout=timeout_seconds)
        except KafkaError as error:
            raise _failed(error) from error
        if self._guard is not None and self._place is not None:
            self._guard.acknowledged(self._place, metadata.offset)
        return Position(metadata.partition, metadata.offset)

    async def acknowledged(self) -> Position:
        """`position` for asyncio, without a thread per append."""
        return (await all_acknowledged([self]))[0]

    def when_done(self, call: Callable[[object], None]) -> None:
        """Calls `call` when the append was acknowledged or has failed: in the producer's thread, or at once."""
        self._future.add_both(call)


async def all_acknowledged(appends: Sequence[PendingAppend]) -> list[Position]:
    """Waits for many appends with one wake-up. Raises LogUnavailable when one of them failed."""
    loop, done, count = asyncio.get_running_loop(), asyncio.Event(), itertools.count(1)

    def one_more(_: object) -> None:
        if next(count) == len(appends) and not loop.is_closed():
            loop.call_soon_threadsafe(done.set)

    for append in appends:
        append.when_done(one_more)
    await done.wait()
    return [append.position(0) for append in appends]


class OrderedAppends:
    """Appends in an order: when one fails, no later one reaches the log."""

    def __init__(
        self, settings: Settings, guard: AppendGuard | None, producer: Producer, handed_over: Callable[[Any], None]
    ) -> None:
        self._settings, self._guard = settings, guard
        self._producer, self._handed_over = producer, handed_over

    def append(self, topic: str, key: bytes, value: bytes, headers: Headers = ()) -> PendingAppend:
        """Hands a record to the producer; `topic` of schemas.topics.

        Raises LogUnavailable, LogRefused or RecordRefused.
        """
        name = self._settings.topic(topic)
        try:
            with refusals_in_words():
                place = self._placed(topic, name, key)
                future = self._producer.send(name, key, value, headers, place and place.partition)
        except KafkaError as error:
            raise _failed(error) from error
        self._handed_over(future)
        return PendingAppend(future, self._guard, place)

    def _placed(self, topic: str, name: str, key: bytes) -> Destination | None:
        """The guard decides, by the count that the ledger was built on: a producer uses new partitions at once."""
        if self._guard is None:
            return None
        return self._guard.place(topic, key, self._producer.partitions(name))


class Publisher:
    """Appends by one idempotent producer, which is replaced in the background when it fails; thread-safe. Close it.

    Raises LogUnavailable when no broker answers within `delivery_seconds`, or none accepts our credentials. With `wait`
    False the first append raises it instead. The brokers that lead `topics` are asked all the time whether they answer,
    so that `trouble` is known before anything is appended. `guard` None: for a program without a database to compare
    the log with.
    """

    def __init__(
        self,
        settings: Settings,
        guard: AppendGuard | None = None,
        *,
        delivery_seconds: float = 30,
        topics: Iterable[str] = (),
        wait: bool = True,
    ) -> None:
        self._settings, self._guard, self._seconds = settings, guard, delivery_seconds
        self._topics = [settings.topic(topic) for topic in topics]
        self._changed = threading.Condition()
        self._producer: Producer | None = None
        self._ended: list[Producer] = []
        self._away: LedgerError = LogUnavailable("no broker has answered yet")
        self._refused_at: dict[TopicPartition, float] = {}  # partitions that failed although their brokers answered
        self._closing = False
        self._keeper = threading.Thread(target=self._keep, name="publisher", daemon=True)
        self._keeper.start()
        if wait:
            try:
                self._serving()
            except BaseException:
                self.close()
                raise

    def in_order(self) -> OrderedAppends:
        """For appends that depend on their order. Raises LogUnavailable or LogRefused."""
        if self._guard is not None:
            self._guard.check()
        return OrderedAppends(self._settings, self._guard, self._serving(), self._note)

    def append(self, topic: str, key: bytes, value: bytes, headers: Headers = ()) -> PendingAppend:
        """Hands a record to the producer. `topic` is a name of schemas.topics. Raises LogUnavailable or LogRefused."""
        return self.in_order().append(topic, key, value, headers)

    def append_event(self, topic: str, event: Envelope, signing_key: SigningKey | None = None) -> PendingAppend:
        """Appends an event under its subject's key, signed when a key is given."""
        draft = signed_draft(event, signing_key, topic) if signing_key else unsigned_draft(event, topic)
        return self.append(topic, draft.subject.encode(), draft.value, draft.headers)

    @property
    def trouble(self) -> str:
        """Why appends fail, as a sentence; empty when no failure is known."""
        producer = _sound(self._producer)
        if producer is None:
            return str(self._away) if self._refuses() else f"not connected to Kafka: {self._away.detail}"
        since = time.monotonic() - self._seconds - SILENT_SECONDS
        refused = [str(place.partition) for place, at in self._refused_at.copy().items() if at > since]
        return producer.silence() or (f"appends to partition {', '.join(refused)} fail" if refused else "")

    def close(self) -> None:
        """Waits for the appends under way, then ends the producer."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._keeper.join(_CLOSE_SECONDS)

    def _serving(self) -> Producer:
        """The producer that serves. Waits for one that is being made."""
        if producer := _sound(self._producer):
            return producer
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._refuses() or _sound(self._producer), self._seconds)
            if producer := _sound(self._producer):
                return producer
        raise type(self._away)(self._away.detail, field=self._away.field)

    def _refuses(self) -> bool:
        """Whether waiting is of no use: the broker or our settings have to be changed."""
        return type(self._away) is not LogUnavailable

    def _note(self, future: Any) -> None:
        if self._refused_at:
            future.add_callback(lambda metadata: self._refused_at.pop(metadata.topic_partition, None))

    def _keep(self) -> None:
        """Keeps a producer until `close`: makes it, checks it, replaces it when it has ended."""
        while not self._closing:
            self._ended = [producer for producer in self._ended if not producer.gone(0)]
            if self._producer is None:
                self._make()
            elif self._producer.failure is None:
                self._check(self._producer)
            else:
                self._replace(self._producer)
        if self._producer is not None:
            self._producer.flush(_FLUSH_SECONDS)
            self._producer.end(KafkaError("closed"))
            self._ended.append(self._producer)
        for producer in self._ended:
            producer.gone(_GONE_SECONDS)

    def _make(self) -> None:
        try:
            with refusals_in_words():
                made = Producer(self._settings, self._seconds, self._topics, self._wake)
        except LedgerError as error:
            self._stay_away(error, _REFUSED_SECONDS)
        except Exception as error:  # whatever it is, it is the reason that every append gives until it is over
            self._stay_away(LogUnavailable(type(error).__name__), _RETRY_SECONDS)
        else:
            with self._changed:
                self._producer, self._away = made, LogUnavailable()
                self._changed.notify_all()

    def _stay_away(self, error: LedgerError, seconds: float) -> None:
        with self._changed:
            self._away = error
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closing, seconds)

    def _check(self, producer: Producer) -> None:
        try:
            producer.check()
        except Exception as error:  # what can't be asked any more can't be relied on
            producer.end(error)
        if producer.silent_seconds() > _GIVE_UP_SECONDS:  # it may be looking for brokers where there are none now
            producer.end(KafkaTimeoutError("no broker answers"))
        with self._changed:
            self._changed.wait_for(lambda: self._closing or producer.failure, _CHECK_SECONDS)

    def _replace(self, producer: Producer) -> None:
        reason = type(producer.failure).__name__
        log.warning("producer_replaced", reason=reason)
        if producer.failed_at and not producer.silence():
            self._refused_at[producer.failed_at] = time.monotonic()
        with self._changed:
            self._producer, self._away = None, LogUnavailable(reason)
        self._ended.append(producer)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _sound(producer: Producer | None) -> Producer | None:
    return producer if producer is not None and producer.failure is None else None
