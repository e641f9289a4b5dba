"""Appending from the event loop: a thread of its own sends, so that a broker that is gone never blocks a request.

The process starts without Kafka: its producer is made, and made anew, in the background.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ledger.log.publisher import Append, Headers, LogUnavailable, Permit, Position, Publisher, all_acknowledged
from ledger.settings import Settings
from schemas.topics import EVENTS

APPEND_SECONDS = 5


class Draft(NamedTuple):
    """An event that is to be appended."""

    account_id: str
    value: bytes
    headers: Headers = ()


class Appender:
    """Appends to ledger.events, all acknowledged within `APPEND_SECONDS` or LogUnavailable; LogRefused by `permit`."""

    def __init__(self, settings: Settings, permit: Permit) -> None:
        self._publisher = Publisher(settings, permit, delivery_seconds=APPEND_SECONDS, topics=[EVENTS], wait=False)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="append")

    async def append(self, drafts: Sequence[Draft]) -> list[Position]:
        """Where the events stand, in the order of the drafts. Raises LogUnavailable."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(APPEND_SECONDS):
                return await all_acknowledged(await loop.run_in_executor(self._thread, self._send, drafts))
        except TimeoutError:
            raise LogUnavailable(self.trouble) from None

    @property
    def trouble(self) -> str:
        """Why appends fail, in words; empty when they work."""
        return self._publisher.trouble

    def close(self) -> None:
        """Waits for what is under way, then lets go."""
        self._thread.shutdown(cancel_futures=True)
        self._publisher.close()

    def _send(self, drafts: Sequence[Draft]) -> list[Append]:
        log = self._publisher.in_order()
        return [log.append(EVENTS, draft.account_id.encode(), draft.value, draft.headers) for draft in drafts]
