"""Holds that nobody was told of: their router has gone, or nobody knows whether they were stored. They are given back.

Only those without an Idempotency-Key: under a key the router asks again and gets the same hold. What a process has not
given back when it ends, expires.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import psycopg
import structlog

from ledger.gate.holds import NewHold, close
from ledger.postgres.release import OtherRelease
from ledger.postgres.types import AsyncConnection

_MAX = 10_000
_RETRY_SECONDS = 1.0

log = structlog.get_logger()


class AbandonedHolds:
    """Takes note of such holds; `run` does the work."""

    def __init__(self, connect: Callable[[], Awaitable[AsyncConnection]]) -> None:
        self._connect = connect
        self._waiting: deque[tuple[str, str]] = deque(maxlen=_MAX)
        self._some = asyncio.Event()

    def note(self, new: NewHold) -> None:
        """The hold of this request, should there be one, is to be given back."""
        if new.request_hash is None:
            self._waiting.append((new.hold_id, new.account_id))
            self._some.set()

    async def run(self) -> None:
        """Gives back what was noted, for ever; waits for a database that is away."""
        while True:
            await self._some.wait()
            self._some.clear()
            holds = list(self._waiting)
            self._waiting.clear()
            try:
                async with await self._connect() as connection:
                    await close(connection, holds, "released")
            except (psycopg.Error, OtherRelease) as error:
                log.warning("holds_not_given_back", holds=len(holds), error=type(error).__name__)
                self._waiting.extendleft(reversed(holds))
                self._some.set()
                await asyncio.sleep(_RETRY_SECONDS)
