"""Notes refused authorizations that ask for a top-up. The consumer `housekeeping` appends the requests to the log.

The answer to the refusal doesn't wait for it.
"""

import asyncio

import psycopg
import structlog

from ledger.gate.holds import Funds
from ledger.gate.top_up_requests import asks_for_top_up, note
from ledger.postgres.pools import AsyncPool
from ledger.postgres.release import OtherRelease

_REMEMBERED_MAX = 100_000
_WAITING_MAX = 10_000

log = structlog.get_logger()


class TopUpRequests:
    """Takes refusals from the gate and stores their requests; `run` does the work."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._noted: dict[str, int] = {}  # by account: the number of the entry that armed its machine
        self._waiting: asyncio.Queue[Funds] = asyncio.Queue(_WAITING_MAX)

    def note(self, funds: Funds) -> None:
        """Takes note of a refusal. If the queue is full, the account's next refusal makes the request."""
        if not asks_for_top_up(funds) or self._noted.get(funds.account_id) == funds.top_up_since:
            return
        if self._waiting.full():
            return
        if len(self._noted) >= _REMEMBERED_MAX:
            self._noted.clear()
        self._noted[funds.account_id] = funds.top_up_since
        self._waiting.put_nowait(funds)

    async def run(self) -> None:
        """Stores the requests, without end. If one can't be stored, the account's next refusal makes it again."""
        while True:
            funds = await self._waiting.get()
            try:
                async with self._pool.connection() as connection:
                    await note(connection, funds)
            except (psycopg.Error, OtherRelease) as error:
                self._noted.pop(funds.account_id, None)
                log.warning("top_up_request_not_stored", error=type(error).__name__)
