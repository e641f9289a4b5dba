"""The benchmark's usage events: generated from a seed, with the exact balance that each account must reach.

Each event is one of a thousand shapes (model, mode, tokens). The charge of a shape is computed once, exactly, without
the ledger's own rating. Ids are time-ordered and one millisecond apart, as with a thousand events per second.
"""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from ledger.dev.first_book import first_book
from ledger.dev.independent_pricing import IndependentPricing
from ledger.log.partitioning import partition_of
from schemas.identity import time_ordered_id

SHAPES = 1_000
FIRST_MS = 1_767_225_600_000  # 2026-01-01
BATCH_BYTES = 900_000
_MODELS = (("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5"))
_EVENT = (
    '{{"specversion":"1.0","type":"usage.recorded","source":"router/bench","id":"{}","subject":"{}","time":"{}",'
    '"data":{{"request_id":"req_{}",{}}}}}'
)


class GeneratedEvent(NamedTuple):
    """One event: its account, its JSON, and its exact charge in nanos."""

    account: str
    value: bytes
    charge: int


class EventLoad:
    """Generates events. `expected`: each account's balance in nanos after the events generated so far."""

    def __init__(self, seed: int, accounts: int) -> None:
        self._rng = random.Random(seed)
        self._shapes = [_shape(self._rng) for _ in range(SHAPES)]
        self._accounts = [f"bench-{number:07}" for number in range(accounts)]
        self._made = 0
        self.expected: defaultdict[str, int] = defaultdict(int)

    def make(self, count: int) -> Iterator[GeneratedEvent]:
        """The next `count` events."""
        choice = self._rng.choice
        for number in range(self._made, self._made + count):
            account, (fields, charge) = choice(self._accounts), choice(self._shapes)
            at = FIRST_MS + number
            text = _EVENT.format(time_ordered_id(at, self._rng.randbytes(10)), account, _moment(at), number, fields)
            self.expected[account] -= charge
            yield GeneratedEvent(account, text.encode(), charge)
        self._made += count


async def preload(
    kafka: str, topic: str, partitions: int, events: Iterator[GeneratedEvent], advance: Callable[[int], None]
) -> None:
    """Appends events in large batches, each to the partition of its key."""
    home = lru_cache(maxsize=None)(lambda account: partition_of(account.encode(), partitions))
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", max_batch_size=BATCH_BYTES, linger_ms=0, request_timeout_ms=60_000
    )
    await producer.start()
    try:
        batches = {number: producer.create_batch() for number in range(partitions)}
        sent = []
        for event in events:
            partition, key = home(event.account), event.account.encode()
            if batches[partition].append(key=key, value=event.value, timestamp=None) is None:
                full, batches[partition] = batches[partition], producer.create_batch()
                sent.append(await producer.send_batch(full, topic, partition=partition))
                advance(full.record_count())
                batches[partition].append(key=key, value=event.value, timestamp=None)
        for partition, rest in batches.items():
            sent.append(await producer.send_batch(rest, topic, partition=partition))
            advance(rest.record_count())
        for acknowledged in sent:
            await acknowledged
    finally:
        await producer.stop()


def _shape(rng: random.Random) -> tuple[str, int]:
    """The JSON of all fields except the request's id, and the charge in nanos."""
    provider, model = rng.choice(_MODELS)
    data = {
        "provider": provider,
        "model": model,
        "mode": rng.choice(("auto", "tier")),
        "input_tokens": rng.randint(50, 8_000),
        "output_tokens": rng.randint(10, 1_500),
    }
    book = IndependentPricing(0, first_book("unused").model_dump(mode="json", exclude_none=True))
    return json.dumps(data, separators=(",", ":"))[1:-1], book.usage(data, datetime.now(UTC))


def _moment(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
