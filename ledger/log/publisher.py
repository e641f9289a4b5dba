"""Appending to the log: every append is acknowledged by all in-sync replicas, or is an exception.

Only processes that hold a signing key sign; a router's process has none and can publish usage and traces only.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

from ledger.log.connecting import LogUnavailable as LogUnavailable
from ledger.log.connecting import check_may_write, kafka_options, refusals_in_words
from ledger.settings import Settings
from schemas.envelope import Envelope
from schemas.fields import json_of
from schemas.signatures import SigningKey

Headers = Iterable[tuple[str, bytes]]


class Position(NamedTuple):
    """Where a record stands on a topic."""

    partition: int
    offset: int


class Append:
    """An append under way."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def position(self, timeout_seconds: float = 30) -> Position:
        """Waits for the acknowledgement. Raises LogUnavailable."""
        try:
            with refusals_in_words():
                metadata = self._future.get(timeout=timeout_seconds)
        except KafkaError as error:
            raise LogUnavailable(type(error).__name__) from error
        return Position(metadata.partition, metadata.offset)

    async def acknowledged(self) -> Position:
        """The same for asyncio, without a thread per append."""
        return (await all_acknowledged([self]))[0]

    def when_done(self, call: Callable[[object], None]) -> None:
        """Calls, in the producer's thread or at once, when the append was acknowledged or has failed."""
        self._future.add_both(call)


async def all_acknowledged(appends: Sequence[Append]) -> list[Position]:
    """Waits for many appends with one wake-up. Raises LogUnavailable when one of them failed."""
    loop, done, count = asyncio.get_running_loop(), asyncio.Event(), itertools.count(1)

    def one_more(_: object) -> None:
        if next(count) == len(appends) and not loop.is_closed():
            loop.call_soon_threadsafe(done.set)

    for append in appends:
        append.when_done(one_more)
    await done.wait()
    return [append.position(0) for append in appends]


class Publisher:
    """One idempotent producer of a process; thread-safe. Close it, or use it in a with statement.

    Raises LogUnavailable when no broker answers within `delivery_seconds`, or none accepts our credentials. Raises
    FoldOnly in a copy.
    """

    def __init__(self, settings: Settings, *, delivery_seconds: float = 30) -> None:
        check_may_write(settings)
        self._settings = settings
        try:
            with refusals_in_words():
                self._producer = KafkaProducer(
                    **kafka_options(settings),
                    bootstrap_timeout_ms=int(delivery_seconds * 1000),
                    reconnect_backoff_max_ms=1000,
                    client_id="ledger",
                    acks="all",
                    enable_idempotence=True,
                    allow_auto_create_topics=False,
                    linger_ms=1,
                    batch_size=262_144,
                    max_block_ms=int(delivery_seconds * 1000),
                    delivery_timeout_ms=int(delivery_seconds * 1000),
                    request_timeout_ms=int(min(delivery_seconds, 10) * 1000) - 100,
                )
        except KafkaError as error:
            raise LogUnavailable(type(error).__name__) from error

    def append(self, topic: str, key: bytes, value: bytes, headers: Headers = ()) -> Append:
        """Hands a record to the producer. `topic` is a name of schemas.topics. Raises LogUnavailable."""
        try:
            with refusals_in_words():
                future = self._producer.send(self._settings.topic(topic), key=key, value=value, headers=list(headers))
        except KafkaError as error:
            raise LogUnavailable(type(error).__name__) from error
        return Append(future)

    def append_event(self, topic: str, event: Envelope, signing_key: SigningKey | None = None) -> Append:
        """Appends an event under its subject's key, signed when a key is given."""
        value = json_of(event)
        headers = [signing_key.header(value)] if signing_key else []
        return self.append(topic, event.subject.encode(), value, headers)

    def close(self) -> None:
        """Waits for what is under way, then lets go."""
        self._producer.close(timeout=10)

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
