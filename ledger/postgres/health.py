"""Whether Postgres answers this process, asked twice a second on a connection of its own, and how far the views are.

A database of another release of this program does not answer it either: only that the reason is another one.

While it doesn't, what comes is refused at once and waits for no connection, and what waits already is hung up on: a
server that stands still, or whose machine is gone, would keep every request for as long. What was known last is kept,
so that the age of the views can be told meanwhile.
"""

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg import AsyncConnection

from ledger.liveness import LIVENESS, hang_up
from ledger.records.release import OtherRelease, check_async
from ledger.views.progress import Progress, progress

_PAUSE_SECONDS = 0.5
_TICKS, _TICK_SECONDS = 30, 0.1  # counted, so that a time in which this very process stood still is one tick
# A lock on the views is no outage.
_OPTIONS = "-c lock_timeout=1000 -c statement_timeout=2000"
# What a server says that ends or can't begin; anything else that it says is an answer.
_ENDS = ("57P", "08")

AnyConnection = TypeVar("AnyConnection", bound=psycopg.Connection[Any] | AsyncConnection[Any])

log = structlog.get_logger()


class PostgresAway(psycopg.OperationalError):
    """Postgres does not answer."""


class Postgres:
    """`up` until it is known better. `progress`: how far the views were when it answered last."""

    def __init__(self, database: str) -> None:
        self.up = True
        self.reason = ""
        self.progress: Sequence[Progress] = ()
        self._database = database
        self._other: OtherRelease | None = None
        self._watched = weakref.WeakSet[psycopg.Connection[Any] | AsyncConnection[Any]]()
        self._watching = threading.Lock()
        self._connection: AsyncConnection[Any] | None = None
        self._wanted = asyncio.Event()
        self._verdict = asyncio.Event()

    def demand(self) -> None:
        """Raises PostgresAway while it does not answer, and OtherRelease."""
        if self._other:
            raise self._other.with_traceback(None)
        if not self.up:
            raise PostgresAway(f"Postgres does not answer: {self.reason}")

    def watched(self, connection: AnyConnection) -> AnyConnection:
        """This connection, on which nothing waits longer than until it is known that Postgres is away."""
        with self._watching:
            self._watched.add(connection)
        return connection

    async def answers(self) -> bool:
        """Whether it answers; asked anew, by a question that begins now."""
        for _ in range(2):  # the one under way may have been asked before
            if self.up:
                self._wanted.set()
                await self._verdict.wait()
        return self.up

    async def run(self, when_back: Callable[[], Awaitable[None]]) -> None:
        """Asks for ever; `when_back` is done before others may ask again."""
        try:
            while True:
                await self._look(when_back)
                verdict, self._verdict = self._verdict, asyncio.Event()
                verdict.set()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), _PAUSE_SECONDS)
                self._wanted.clear()
        finally:
            await self._drop()

    async def _look(self, when_back: Callable[[], Awaitable[None]]) -> None:
        try:
            self.progress = await self._ask()
            self._other = None
        except OtherRelease as other:
            self._other = other
            await self._away(other, str(other))
            return
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate.startswith(_ENDS):
                self._other = None
                await self._away(error, type(error).__name__)
                return
            # It answers, though not this: the views are locked, or not made yet.
        if not self.up:
            await when_back()
            log.info("postgres_is_back")
        self.up, self.reason = True, ""

    async def _ask(self) -> Sequence[Progress]:
        if self._connection is None:
            self._connection = await AsyncConnection.connect(
                self._database, autocommit=True, options=_OPTIONS, application_name="ledger-watch", **LIVENESS
            )
        asking = asyncio.create_task(_progress(self._connection))
        for _ in range(_TICKS):
            done, _ = await asyncio.wait({asking}, timeout=_TICK_SECONDS)
            if done:
                break
        else:
            hang_up(self._connection)
        return await asking

    async def _away(self, error: Exception, reason: str) -> None:
        if self.up:
            log.warning("postgres_is_away", error=type(error).__name__, reason=reason)
        self.up, self.reason = False, reason
        await self._drop()
        with self._watching:
            watched = list(self._watched)
            self._watched.clear()
        for connection in watched:
            hang_up(connection)

    async def _drop(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


async def _progress(connection: AsyncConnection[Any]) -> Sequence[Progress]:
    """How far the views are. Raises OtherRelease."""
    await check_async(connection)
    return await progress(connection)
