"""Payments within the API: threads that may block, connections of their own, and the log behind them.

Providers are never asked on the event loop. Webhooks have threads of their own, so that customers who wait for a slow
provider don't keep a webhook from being answered; and so has what asks Postgres alone, so that they don't keep others
from it.
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
    """What the routes about money use; with payments off there is no gateway, and each says so."""

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
        """Does something that blocks, for a customer; it may ask a provider."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, lambda: function(*args, **kwargs))

    async def query(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does something that asks Postgres alone, and waits for no provider."""
        return await asyncio.get_running_loop().run_in_executor(self.query_threads, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Lets go; what is asked of a provider is asked to its end."""
        for threads in (self.threads, self.query_threads, self.webhook_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        self.connections.close()


def payments_of(settings: Settings, event_log: EventAppender, postgres: PostgresHealth[Any]) -> Payments:
    """What pays and refunds. Raises SettingMissing or SettingsInvalid."""
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
