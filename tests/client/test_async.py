"""`AsyncLedger`: the same promises, and the event loop goes on while disks and brokers are waited for."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from ledger.client import AsyncLedger, InvalidEvent, NotDelivered
from ledger.settings import Settings
from tests.client.conftest import CALL, NOWHERE, arrived, requests_of


def opened(settings: Settings, spool: Path, kafka: str | None = None) -> AsyncLedger:
    return AsyncLedger.over_kafka(
        kafka or settings.kafka, source="router/async", spool=spool, topic_prefix=settings.topic_prefix
    )


def test_calls_of_many_tasks_arrive_each_task_s_in_its_order(settings: Settings, tmp_path: Path) -> None:
    async def call(ledger: AsyncLedger, account_id: str) -> None:
        for number in range(50):
            await ledger.record_usage(account_id, **CALL | {"request_id": f"req_{number}"})

    async def run() -> None:
        async with opened(settings, tmp_path) as ledger:
            await asyncio.gather(*(call(ledger, f"acct_async_{number}") for number in range(20)))
            await ledger.record_trace("acct_async_0", trace_id="t1", count=1)
            await ledger.flush(20)
            assert ledger.depth == 0

    asyncio.run(run())
    for number in range(1, 20):
        assert requests_of(settings, f"acct_async_{number}") == [f"req_{each}" for each in range(50)]
    assert arrived(settings, "acct_async_0")[-1]["data"] == {"trace_id": "t1", "count": 1}


def test_the_event_loop_is_not_blocked(settings: Settings, tmp_path: Path) -> None:
    """The disk does not answer, as for a thread that waits for the spool's lock."""
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            started = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - started)

    async def run() -> None:
        ledger = opened(settings, tmp_path, NOWHERE)
        ticking = asyncio.create_task(tick())
        lock = ledger._delivery.spools[-1]._lock
        await asyncio.sleep(0.05)
        lock.acquire()
        threading.Timer(1, lock.release).start()
        await ledger.record_usage("acct_1", **CALL)
        with pytest.raises(NotDelivered):
            await ledger.flush(0.5)
        with pytest.raises(InvalidEvent, match=r"^mode: "):
            await ledger.record_usage("acct_1", **CALL | {"mode": "x"})
        await ledger.close(0.2)
        ticking.cancel()

    asyncio.run(run())
    assert len(gaps) > 20
    assert max(gaps) < 0.7
