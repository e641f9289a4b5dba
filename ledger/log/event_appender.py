"""Appending events to the log, from threads and from the event loop, by the one producer of an EventAppender.

It starts without Kafka: its producer is made in the background, and replaced there when it fails.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ledger.log.drafts import Draft, signed_draft
from ledger.log.publisher import AppendGuard, LogUnavailable, PendingAppend, Position, Publisher, all_acknowledged
from ledger.settings import Settings
from schemas.envelope import Envelope
from schemas.topics import EVENTS


class EventAppender:
    """Appends within `seconds`, or raises LogUnavailable. Any number of threads and one event loop may share it.

    Every append may raise LogRefused, by `guard`, and FoldOnly in a copy. After LogUnavailable the events may or may
    not be on the log: append them again, with the same ids. `wait`: raises LogUnavailable now if no broker answers.
    """

    def __init__(self, settings: Settings, guard: AppendGuard, *, seconds: float = 5, wait: bool = False) -> None:
        self._settings, self._guard, self._seconds = settings, guard, seconds
        self._publisher = Publisher(settings, guard, delivery_seconds=seconds, topics=[EVENTS], wait=wait)
        # Handing a record to the producer may block: a coroutine does it in this thread.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="append")
        self._closed = False

    def append_event(self, event: Envelope) -> Position:
        """Signs an event of ours and appends it to ledger.events. For threads: it blocks."""
        (position,) = self.append([signed_draft(event, self._settings.signing_key())])
        return position

    def append(self, drafts: Sequence[Draft]) -> list[Position]:
        """Appends the drafts in their order and returns where they are on the log. For threads: it blocks."""
        ends_at = time.monotonic() + self._seconds
        appends = self._send(drafts)
        return [append.position(max(ends_at - time.monotonic(), 0)) for append in appends]

    async def append_async(self, drafts: Sequence[Draft]) -> list[Position]:
        """`append` for the event loop, which it does not block."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                return await all_acknowledged(await loop.run_in_executor(self._thread, self._send, drafts))
        except TimeoutError:
            raise LogUnavailable(self.trouble) from None

    def check(self) -> None:
        """Raises LogRefused or LogUnavailable when nothing may be appended now: ask before money moves."""
        self._guard.check()

    @property
    def trouble(self) -> str:
        """Why appends fail, as a sentence; empty when they work. A copy, and a closed appender, append nothing."""
        return "" if self._settings.fold_only or self._closed else self._publisher.trouble

    def close(self) -> None:
        """Waits for the appends under way, then ends the producer."""
        self._thread.shutdown(cancel_futures=True)
        self._closed = True
        self._publisher.close()

    def _send(self, drafts: Sequence[Draft]) -> list[PendingAppend]:
        log = self._publisher.in_order()
        return [log.append(draft.topic, draft.subject.encode(), draft.value, draft.headers) for draft in drafts]
