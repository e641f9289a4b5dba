"""Usage at a fixed rate beside a measurement.

It runs in its own process, because in the same one it would delay the timing.
"""

import asyncio
import multiprocessing
import random
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from aiokafka import AIOKafkaProducer

from ledger.bench.event_load import BATCH_BYTES
from ledger.log.partitioning import partition_of
from ledger.settings import Settings
from schemas.identity import time_ordered_id
from schemas.topics import EVENTS

_TICKS = 100  # a second
_STOP_SECONDS = 30
_EVENT = (
    '{{"specversion":"1.0","type":"usage.recorded","source":"router/bench","id":"{}","subject":"{}","data":{{'
    '"request_id":"req_1","provider":"openai","model":"gpt-4o","mode":"auto","input_tokens":400,"output_tokens":100,'
    '"provider_cost":"0.000002"{}}}}}'
)

Hold = tuple[str, str]


class UsageLoad:
    """The running load. It takes holds (account, id) that its usage is to settle."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def settle(self, account_id: str, hold_id: str) -> None:
        """Makes one of the next usage events name the hold."""
        self._connection.send((account_id, hold_id))


@contextmanager
def usage_load(settings: Settings, accounts: list[str], rate: int, settling: int, seed: int) -> Iterator[UsageLoad]:
    """Publishes `rate` events per second until the block ends. Up to `settling` of them name holds."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    given = settings.model_dump(exclude_unset=True)
    process = context.Process(target=_publish, args=(given, accounts, rate, settling, seed, theirs), name="usage")
    process.start()
    theirs.close()
    try:
        assert ours.recv() == "ready"
        yield UsageLoad(ours)
    finally:
        ours.close()
        process.join(_STOP_SECONDS)


def _publish(
    given: dict[str, Any], accounts: list[str], rate: int, settling: int, seed: int, parent: Connection
) -> None:
    asyncio.run(_publish_until_told(Settings(**given), accounts, rate, settling, random.Random(seed), parent))


async def _publish_until_told(
    settings: Settings, accounts: list[str], rate: int, settling: int, rng: random.Random, parent: Connection
) -> None:
    """One batch per partition and tick, built here: publishing single events took a third of a core from the gate."""
    holds, topic, partitions = deque[Hold](), settings.topic(EVENTS), settings.event_partitions
    home = {account: partition_of(account.encode(), partitions) for account in accounts}
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", max_batch_size=BATCH_BYTES) as producer:
        parent.send("ready")
        started, tick, sent = time.monotonic(), 0, deque[asyncio.Future[Any]]()
        while _received(parent, holds):
            tick += 1
            named = [holds.popleft() for _ in range(min(settling // _TICKS, len(holds)))]
            others = [(account, None) for account in rng.choices(accounts, k=rate // _TICKS - len(named))]
            batches: defaultdict[int, Any] = defaultdict(producer.create_batch)
            for account, hold in (*named, *others):
                batches[home[account]].append(key=account.encode(), value=_usage(account, hold), timestamp=None)
            for partition, batch in batches.items():
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            while sent and sent[0].done():
                sent.popleft().result()
            await asyncio.sleep(started + tick / _TICKS - time.monotonic())
        await asyncio.gather(*sent)


def _received(parent: Connection, holds: deque[Hold]) -> bool:
    """Takes the holds that the parent sent; False when the parent has ended."""
    try:
        while parent.poll():
            holds.append(parent.recv())
    except EOFError:
        return False
    return True


def _usage(account: str, hold: str | None) -> bytes:
    named = f',"authorization_id":"{hold}"' if hold else ""
    return _EVENT.format(time_ordered_id(), account, named).encode()
