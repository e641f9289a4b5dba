"""The parts of one API process, started and stopped together; none of them needs Kafka or Postgres to be there yet."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import psycopg
import structlog
from fastapi import Depends, Request

from ledger.api.appender import Appender
from ledger.api.auth import Keys
from ledger.api.database import Pool, pool_of
from ledger.api.metrics import RequestMetrics
from ledger.api.verdicts import Verdicts
from ledger.core.book import Book
from ledger.log.book import BookStale, Follower
from ledger.log.publisher import LogUnavailable
from ledger.records.idempotency import forget_old
from ledger.settings import Settings

_FORGET_SECONDS = 3600
_BOOK_SECONDS = 2

log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """What the routes use."""

    settings: Settings
    pool: Pool
    keys: Keys
    book: Follower
    log: Appender
    verdicts: Verdicts
    metrics: RequestMetrics

    def current_book(self) -> Book:
        """The book to judge an event by. Raises LogUnavailable, BookEmpty or BookNotReadable."""
        try:
            return self.book.book()
        except BookStale as error:
            raise LogUnavailable("the book is stale") from error


@contextlib.asynccontextmanager
async def running(settings: Settings, metrics: RequestMetrics) -> AsyncIterator[Parts]:
    """The parts, until the block ends."""
    pool = pool_of(settings.database)
    parts = Parts(settings, pool, Keys(pool), Follower(settings), Appender(settings), Verdicts(pool, settings), metrics)
    await pool.open(wait=False)
    # Without the book usage can't be judged; without Kafka we start nevertheless.
    await asyncio.to_thread(parts.book.wait, _BOOK_SECONDS)
    tasks = [asyncio.create_task(parts.verdicts.run()), asyncio.create_task(_forget_old_idempotency_keys(pool))]
    try:
        yield parts
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(parts.log.close)
        await asyncio.to_thread(parts.book.close)
        await pool.close()


async def _forget_old_idempotency_keys(pool: Pool) -> None:
    while True:
        try:
            async with pool.connection() as connection:
                await forget_old(connection)
        except psycopg.Error as error:
            log.warning("idempotency_keys_not_cleaned", error=type(error).__name__)
        await asyncio.sleep(_FORGET_SECONDS)


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(_parts)]
