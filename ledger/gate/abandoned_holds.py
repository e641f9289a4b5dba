"""Holds whose requester got no answer: the router has gone, or the commit's answer was lost. They are released.

Only holds without an Idempotency-Key: a router with a key asks again and gets the same hold. A hold that a process has
not released when it ends expires.
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
    """Collects such holds; `run` releases them."""

    def __init__(self, connect: Callable[[], Awaitable[AsyncConnection]]) -> None:
        self._connect = connect
        self._waiting: deque[tuple[str, str]] = deque(maxlen=_MAX)
        self._some = asyncio.Event()

    def note(self, new: NewHold) -> None:
        """Marks the hold of this request for release, if one was stored."""
        if new.request_hash is None:
            self._waiting.append((new.hold_id, new.account_id))
            self._some.set()

    async def run(self) -> None:
        """Releases the marked holds until it is cancelled. Retries while Postgres does not answer."""
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
