"""What the use cases work with: opened together when a process starts, closed together when it ends.

Nothing here needs Kafka or Postgres to be there yet.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from ledger.core.book import Version
from ledger.core.book_versions import Book
from ledger.gate.gate import Gate
from ledger.guard.guard import Guard
from ledger.log.book import BookEmpty, BookFollower, BookStale
from ledger.log.event_appender import EventAppender
from ledger.log.publisher import LogUnavailable
from ledger.postgres.connections import connect_async
from ledger.postgres.health import PostgresHealth
from ledger.postgres.kinds import API, GATE
from ledger.postgres.pools import AsyncPool
from ledger.postgres.types import AsyncConnection
from ledger.service.authentication import ApiKeys
from ledger.service.payments import Payments, payments_of
from ledger.service.revoked_keys import RevokedKeys
from ledger.service.top_up_requests import TopUpRequests
from ledger.service.verdicts import Verdicts
from ledger.settings import Settings
from ledger.views.progress import Progress, progress

_BOOK_SECONDS = 2


@dataclass(frozen=True)
class Resources:
    """What the use cases work with: the settings, Postgres, the log, the book, the gate, and the payment providers."""

    settings: Settings
    postgres: PostgresHealth[Sequence[Progress]]
    pool: AsyncPool
    keys: ApiKeys
    book: BookFollower
    guard: Guard
    log: EventAppender
    verdicts: Verdicts
    gate: Gate
    requests: TopUpRequests
    payments: Payments

    def version_now(self) -> Version:
        """The version of the book to price an estimate by. It may be a little stale. Raises BookEmpty."""
        book = self.book.last
        if not book.versions:
            raise BookEmpty()
        return book.at(time.time_ns() // 1_000_000)

    def current_book(self) -> Book:
        """The book to judge an event by. Raises LogUnavailable, BookEmpty or BookNotReadable."""
        try:
            return self.book.book()
        except BookStale as error:
            raise LogUnavailable("the book is stale") from error


@contextlib.asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """The resources of this process, open until the block ends."""
    postgres: PostgresHealth[Sequence[Progress]] = PostgresHealth(settings.database, progress, ())
    pool = AsyncPool(settings.database, API, postgres)
    guard = Guard(settings).start()
    appender = EventAppender(settings, guard)
    book = BookFollower(settings)
    revoked = RevokedKeys(settings, book)

    async def connect_gate() -> AsyncConnection:
        postgres.require()
        return postgres.watch(await connect_async(settings.database, GATE))

    async def check_pools() -> None:
        """Replaces broken connections, before requests get them."""
        await pool.check()
        await asyncio.to_thread(resources.payments.connections.check)

    resources = Resources(
        settings,
        postgres,
        pool,
        ApiKeys(pool, postgres, revoked, settings.key_grace_seconds),
        book,
        guard,
        appender,
        Verdicts(pool, settings),
        Gate(settings, connect_gate),
        TopUpRequests(pool),
        payments_of(settings, appender, postgres),
    )
    await pool.open(wait=False)
    # Without the book usage can't be judged; without Kafka we start nevertheless.
    await asyncio.gather(*(asyncio.to_thread(each.wait, _BOOK_SECONDS) for each in (book, revoked, guard)))
    works = [
        postgres.run(check_pools),
        resources.keys.run(),
        resources.verdicts.run(),
    ]
    if not settings.fold_only:  # a dump has requests that the original makes
        works.append(resources.requests.run())
    tasks = [asyncio.create_task(work) for work in works]
    try:
        async with resources.gate.running():
            yield resources
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(resources.payments.close)
        await asyncio.to_thread(resources.log.close)
        await asyncio.to_thread(guard.close)
        await asyncio.to_thread(revoked.close)
        await asyncio.to_thread(resources.book.close)
        await pool.close()
