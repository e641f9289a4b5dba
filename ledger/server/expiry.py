"""Ends holds whose time is over, once their partition is projected past it. Every API process does so; one wins."""

import asyncio

import psycopg
import structlog

from ledger.gate.holds import expire
from ledger.postgres.pools import AsyncPool
from ledger.postgres.release import OtherRelease
from ledger.web.metrics import RequestMetrics

_SECONDS = 1.0
_LIMIT = 1000

log = structlog.get_logger()


async def expire_holds(pool: AsyncPool, metrics: RequestMetrics) -> None:
    """Looks once a second, for ever."""
    while True:
        try:
            ended = _LIMIT
            async with pool.connection() as connection:
                while ended == _LIMIT:
                    ended = await expire(connection, _LIMIT)
                    metrics.expired.inc(ended)
        except (psycopg.Error, OtherRelease) as error:
            log.warning("holds_not_expired", error=type(error).__name__)
        await asyncio.sleep(_SECONDS)
