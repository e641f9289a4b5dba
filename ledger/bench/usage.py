"""Usage at a fixed rate beside a measurement, from a process of its own: in the same one it would delay the timing."""

import json
import multiprocessing
import random
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.identity import time_ordered_id
from schemas.topics import EVENTS

_TICKS = 100  # a second
_STOP_SECONDS = 30

Hold = tuple[str, str]


class UsageLoad:
    """Takes holds (account, id) that usage is to settle."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def settle(self, account_id: str, hold_id: str) -> None:
        """Has one of the next usage events name the hold."""
        self._connection.send((account_id, hold_id))


@contextmanager
def usage_load(settings: Settings, accounts: list[str], rate: int, settling: int, seed: int) -> Iterator[UsageLoad]:
    """Publishes `rate` events a second until the block ends; up to `settling` of them name holds."""
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
    rng, holds = random.Random(seed), deque[Hold]()
    with Publisher(Settings(**given)) as publisher:
        parent.send("ready")
        started, tick = time.monotonic(), 0
        while _received(parent, holds, max(started + tick / _TICKS - time.monotonic(), 0)):
            tick += 1
            named = [holds.popleft() for _ in range(min(settling // _TICKS, len(holds)))]
            for account, hold in named:
                publisher.append(EVENTS, account.encode(), _usage(account, hold))
            for account in rng.choices(accounts, k=rate // _TICKS - len(named)):
                publisher.append(EVENTS, account.encode(), _usage(account, None))


def _received(parent: Connection, holds: deque[Hold], seconds: float) -> bool:
    """Takes what the parent sends until the next tick; False when it has ended."""
    until = time.monotonic() + seconds
    try:
        while parent.poll(max(until - time.monotonic(), 0)):
            holds.append(parent.recv())
    except EOFError:
        return False
    return True


def _usage(account: str, hold: str | None) -> bytes:
    data = {
        "request_id": "req_1",
        "provider": "openai",
        "model": "gpt-4o",
        "mode": "auto",
        "input_tokens": 400,
        "output_tokens": 100,
        "provider_cost": "0.000002",
    }
    if hold is not None:
        data["authorization_id"] = hold
    event = {
        "specversion": "1.0",
        "type": "usage.recorded",
        "source": "router/bench",
        "id": time_ordered_id(),
        "subject": account,
        "data": data,
    }
    return json.dumps(event).encode()
