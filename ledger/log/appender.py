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
    """An event that is to be appended, under this key."""

    subject: str
    value: bytes
    headers: Headers = ()
    topic: str = EVENTS


class Appender:
    """Appends to the log, all acknowledged within `APPEND_SECONDS` or LogUnavailable.

    Raises LogRefused by `permit`, and FoldOnly in a copy.
    """

    def __init__(self, settings: Settings, permit: Permit) -> None:
        self._settings = settings
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
        """Why appends fail, in words; empty when they work. A copy has nothing to append."""
        return "" if self._settings.fold_only else self._publisher.trouble

    def close(self) -> None:
        """Waits for what is under way, then lets go."""
        self._thread.shutdown(cancel_futures=True)
        self._publisher.close()

    def _send(self, drafts: Sequence[Draft]) -> list[Append]:
        log = self._publisher.in_order()
        return [log.append(draft.topic, draft.subject.encode(), draft.value, draft.headers) for draft in drafts]
