"""Payments within the API: threads that may block, connections of their own, and the log behind them.

Providers are never asked on the event loop. Webhooks have their own threads, so that a slow provider does not delay the
answer to a webhook. Work that asks only Postgres has its own threads, too.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, ParamSpec, TypeVar

from ledger.log.event_appender import EventAppender
from ledger.payments.gateways import Gateways, gateways_of
from ledger.payments.payment_methods import PaymentMethods
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.purchases import Purchases
from ledger.payments.refunds import Refunds
from ledger.payments.webhooks import Webhooks
from ledger.postgres.health import PostgresHealth
from ledger.postgres.kinds import API
from ledger.postgres.pools import WatchedThreadPool
from ledger.settings import Settings

_THREADS = 8
_QUERY_THREADS = 4

P = ParamSpec("P")
T = TypeVar("T")


class Payments(NamedTuple):
    """What the routes about money use. With payments off there are no gateways, and each route answers so."""

    gateways: Gateways
    connections: WatchedThreadPool
    purchases: Purchases
    refunds: Refunds
    webhooks: Webhooks
    methods: PaymentMethods
    threads: ThreadPoolExecutor
    query_threads: ThreadPoolExecutor
    webhook_threads: ThreadPoolExecutor

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a function that blocks and may ask a provider."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, lambda: function(*args, **kwargs))

    async def query(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a function that blocks, and asks only Postgres."""
        return await asyncio.get_running_loop().run_in_executor(self.query_threads, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Closes threads and connections. Calls to providers that have begun run to their end."""
        for threads in (self.threads, self.query_threads, self.webhook_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        self.connections.close()


def payments_of(settings: Settings, event_log: EventAppender, postgres: PostgresHealth[Any]) -> Payments:
    """The payments of this process. Raises SettingMissing or SettingsInvalid."""
    gateways = gateways_of(settings)
    connections = WatchedThreadPool(settings.database, API, postgres, 2 * _THREADS)
    connections.open()
    database = connections.connection
    updates = ProviderUpdates(settings, gateways, database, event_log)
    return Payments(
        gateways,
        connections,
        Purchases(settings, gateways, database, updates),
        updates.refunds,
        Webhooks(settings, gateways, database, updates),
        PaymentMethods(gateways, database),
        ThreadPoolExecutor(_THREADS, "payments"),
        ThreadPoolExecutor(_QUERY_THREADS, "queries"),
        ThreadPoolExecutor(_THREADS, "webhooks"),
    )
