"""Whether Postgres answers this process: asked twice a second, on a connection of its own.

A database of another release of this program counts as one that does not answer, with that reason.

While Postgres does not answer, each new request is refused at once, and the connections that wait for an answer are
ended. Otherwise a server that hangs, or whose machine is gone, would keep every request waiting. The latest answer is
kept meanwhile.
"""

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import psycopg
import structlog

from ledger.postgres.connections import connect_async, interrupt
from ledger.postgres.kinds import HEALTH
from ledger.postgres.release import OtherRelease, check_async
from ledger.postgres.types import AsyncConnection, Connection

_PAUSE_SECONDS = 0.5
_TICKS, _TICK_SECONDS = 30, 0.1  # counted, so that a time in which this process itself was stopped is one tick
# The errors of a server that is ending or can't start; every other error is an answer.
_SERVER_ENDS = ("57P", "08")

AnyConnection = TypeVar("AnyConnection", bound=Connection | AsyncConnection)
Answer = TypeVar("Answer")

log = structlog.get_logger()


class PostgresAway(psycopg.OperationalError):
    """Postgres does not answer."""


class PostgresHealth(Generic[Answer]):
    """Asks `question`, a query of the caller, and keeps its `latest` answer. Until the first one, that is `before`.

    `up` is true until a question fails; then `reason` says why.
    """

    def __init__(self, database: str, question: Callable[[AsyncConnection], Awaitable[Answer]], before: Answer) -> None:
        self.up = True
        self.reason = ""
        self.latest = before
        self._database, self._question = database, question
        self._other: OtherRelease | None = None
        self._watched = weakref.WeakSet[Connection | AsyncConnection]()
        self._watching = threading.Lock()
        self._connection: AsyncConnection | None = None
        self._wanted = asyncio.Event()
        self._answered = asyncio.Event()

    def require(self) -> None:
        """Raises PostgresAway while Postgres does not answer, and OtherRelease."""
        if self._other:
            raise self._other.with_traceback(None)
        if not self.up:
            raise PostgresAway(f"Postgres does not answer: {self.reason}")

    def watch(self, connection: AnyConnection) -> AnyConnection:
        """Ends this connection, which it returns, as soon as Postgres is known to be away."""
        with self._watching:
            self._watched.add(connection)
        return connection

    async def answers(self) -> bool:
        """Whether Postgres answers a question that is asked now."""
        for _ in range(2):  # the question under way may have been asked before
            if self.up:
                self._wanted.set()
                await self._answered.wait()
        return self.up

    async def run(self, when_back: Callable[[], Awaitable[None]]) -> None:
        """Asks until it is cancelled. After an outage it runs `when_back` before `require` lets requests through."""
        try:
            while True:
                await self._check(when_back)
                answered, self._answered = self._answered, asyncio.Event()
                answered.set()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), _PAUSE_SECONDS)
                self._wanted.clear()
        finally:
            await self._drop()

    async def _check(self, when_back: Callable[[], Awaitable[None]]) -> None:
        try:
            self.latest = await self._ask()
            self._other = None
        except OtherRelease as other:
            self._other = other
            await self._note_away(other, str(other))
            return
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate.startswith(_SERVER_ENDS):
                self._other = None
                await self._note_away(error, type(error).__name__)
                return
            # Postgres answers, only not this question: the views are locked, or not made yet.
        if not self.up:
            await when_back()
            log.info("postgres_is_back")
        self.up, self.reason = True, ""

    async def _ask(self) -> Answer:
        if self._connection is None:
            self._connection = await connect_async(self._database, HEALTH)
        asking = asyncio.create_task(self._check_and_ask(self._connection))
        for _ in range(_TICKS):
            done, _ = await asyncio.wait({asking}, timeout=_TICK_SECONDS)
            if done:
                break
        else:
            interrupt(self._connection)
        return await asking

    async def _check_and_ask(self, connection: AsyncConnection) -> Answer:
        """Raises OtherRelease."""
        await check_async(connection)
        return await self._question(connection)

    async def _note_away(self, error: Exception, reason: str) -> None:
        if self.up:
            log.warning("postgres_is_away", error=type(error).__name__, reason=reason)
        self.up, self.reason = False, reason
        await self._drop()
        with self._watching:
            watched = list(self._watched)
            self._watched.clear()
        for connection in watched:
            interrupt(connection)

    async def _drop(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
