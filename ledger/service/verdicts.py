"""Verdicts: whether the fold accepted an event that was appended. They are known when the views have passed the event.

One task per process reads how far the partitions are folded, for all requests that wait. While none waits, it is idle.
"""

import asyncio
import contextlib
from typing import NamedTuple

import psycopg

from ledger.log.publisher import Position
from ledger.postgres.pools import AsyncPool
from ledger.postgres.release import OtherRelease
from ledger.settings import Settings
from ledger.views.history import HistoryLine, entries
from ledger.views.progress import Refusal, offsets, refusal
from schemas.topics import EVENTS

_POLL_SECONDS = 0.01
_RETRY_SECONDS = 0.5


class _Waiting(NamedTuple):
    position: Position
    passed: asyncio.Future[None]


class Verdicts:
    """Waits for positions to be projected."""

    def __init__(self, pool: AsyncPool, settings: Settings) -> None:
        self._pool = pool
        self._topic = settings.topic(EVENTS)
        self._seconds = settings.verdict_seconds
        self._waiting: set[_Waiting] = set()
        self._wanted = asyncio.Event()

    async def projected(self, position: Position) -> bool:
        """Whether the views cover the position, within the time that a write waits."""
        waiting = _Waiting(position, asyncio.get_running_loop().create_future())
        self._waiting.add(waiting)
        self._wanted.set()
        try:
            await asyncio.wait_for(waiting.passed, self._seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(waiting)
        return True

    async def refusal(self, position: Position) -> Refusal | None:
        """Why the event there was not applied; None when it was."""
        async with self._pool.connection() as connection:
            return await refusal(connection, self._topic, *position)

    async def posted(self, event_id: str, account_id: str) -> HistoryLine | None:
        """The entry of an event that we signed: of this append, or of an earlier one of the same event."""
        async with self._pool.connection() as connection:
            found = await entries(connection, event_id, account_id, signed=True)
            return found[0] if found else None

    async def run(self) -> None:
        """Wakes the requests that wait, until it is cancelled."""
        while True:
            if not self._waiting:
                self._wanted.clear()
                await self._wanted.wait()
            try:
                async with self._pool.connection() as connection:
                    self._answer(await offsets(connection))
            except (psycopg.Error, OtherRelease):
                # The requests give up by themselves when it takes too long.
                await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.sleep(_POLL_SECONDS)

    def _answer(self, passed: dict[int, int]) -> None:
        for position, future in self._waiting:
            if passed.get(position.partition, 0) > position.offset:
                with contextlib.suppress(asyncio.InvalidStateError):
                    future.set_result(None)
