"""A pool as the API has it, for tests that need no API around it."""

from ledger.postgres.health import PostgresHealth
from ledger.postgres.kinds import API
from ledger.postgres.pools import AsyncPool
from ledger.settings import Settings
from ledger.views.progress import progress


def api_pool(settings: Settings) -> AsyncPool:
    """Closed; `async with` opens it."""
    return AsyncPool(settings.database, API, PostgresHealth(settings.database, progress, ()))
