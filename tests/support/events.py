"""Events as a foreign client makes them: plain dictionaries and bytes, ids that are ordered in time and repeatable."""

import json
import os
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from ledger.settings import Settings
from schemas.identity import time_ordered_id
from schemas.topics import EVENTS

Event = dict[str, Any]
ROUTER_TYPES = ("usage.recorded", "trace.recorded")


class Ids:
    """UUIDs of version 7, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._milliseconds = 1_790_000_000_000 + seed % 1_000_000

    def __call__(self) -> str:
        self._milliseconds += 1
        return time_ordered_id(self._milliseconds, self._random.randbytes(10))


def event(type: str, account: str, data: Event, id: str, **more: Any) -> Event:
    """An event in its envelope."""
    return {"specversion": "1.0", "type": type, "source": "test", "id": id, "subject": account, "data": data, **more}


def usage(account: str, id: str, cost: str | None = "0.01", **changes: Any) -> Event:
    """A model call that costs `cost` credits; None: the book prices its tokens."""
    data = {
        "request_id": "req_1",
        "provider": "openai",
        "model": "gpt-4o",
        "mode": "auto",
        "input_tokens": 1000,
        "output_tokens": 100,
    }
    if cost is not None:
        data["provider_cost"] = cost
    return event("usage.recorded", account, {**data, **changes}, id)


def priced_usage(account: str, **changes: Any) -> Event:
    """A model call that the book prices, with an id that no other event has; some fields of its data changed."""
    return usage(account, os.urandom(8).hex(), None, **changes)


def purchase(account: str, id: str, credits: str, purchase_id: str = "pur_1", minor: int = 10_000) -> Event:
    """Credits that were paid for by card."""
    data = {
        "purchase_id": purchase_id,
        "kind": "purchase",
        "credits": credits,
        "provider": "stripe",
        "provider_payment_id": f"pi_{purchase_id}",
        "charged": {"currency": "USD", "amount_minor": minor},
    }
    return event("credits.purchased", account, data, id)


def policy(account: str, id: str, threshold: str, amount: str) -> Event:
    """Auto top-up by a fixed amount."""
    data = {
        "enabled": True,
        "threshold": threshold,
        "amount": amount,
        "provider": "stripe",
        "payment_method_id": "pm_1",
    }
    return event("auto_top_up.configured", account, data, id)


def json_bytes(event: Event) -> bytes:
    """An event as it goes over the wire."""
    return json.dumps(event).encode()


class Place(NamedTuple):
    """The position of a record on `ledger.events`."""

    partition: int
    offset: int


class Sender:
    """Appends to `ledger.events` as any client could, right or wrong."""

    def __init__(self, settings: Settings, producer: Producer) -> None:
        self._settings = settings
        self._producer = producer
        self._places: list[Place | KafkaError | None] = []

    def send(self, *events: Event, at_ms: int = 0) -> None:
        """Appends events under their account's key; those that no router may send are signed.

        `at_ms`: their time on the log, where the topic leaves that to the producer; 0: now.
        """
        for each in events:
            value = json_bytes(each)
            signed = each["type"] not in ROUTER_TYPES
            self.append(value, each["subject"].encode(), [self.signature(value)] if signed else [], at_ms=at_ms)

    def append(
        self,
        value: bytes | None,
        key: bytes | None,
        headers: Iterable[tuple[str, bytes | None]] = (),
        partition: int = -1,
        at_ms: int = 0,
    ) -> None:
        """Appends any record at all; to the partition of its key unless one is named."""
        index = len(self._places)
        self._places.append(None)

        def delivered(error: KafkaError | None, message: Message) -> None:
            self._places[index] = error or Place(message.partition(), message.offset())

        topic = self._settings.topic(EVENTS)
        self._producer.produce(topic, value, key, partition, delivered, timestamp=at_ms, headers=list(headers))
        self._producer.poll(0)

    def signature(self, value: bytes) -> tuple[str, bytes]:
        """The header that proves it."""
        return self._settings.signing_key().header(value)

    def acknowledged(self) -> list[Place]:
        """The positions of everything that was appended since the last call."""
        assert self._producer.flush(120) == 0, "not all was acknowledged"
        places, self._places = self._places, []
        assert all(isinstance(place, Place) for place in places), places
        return places  # type: ignore[return-value]


@contextmanager
def sender(settings: Settings, **configuration: Any) -> Iterator[Sender]:
    """A producer of its own; at the end of the block all is acknowledged."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "message.max.bytes": 2_000_000,
            "log_level": 0,
            "queue.buffering.max.messages": 1_000_000,
            **configuration,
        }
    )
    one = Sender(settings, producer)
    yield one
    one.acknowledged()
