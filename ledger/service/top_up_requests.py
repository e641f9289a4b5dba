"""A refused authorization may ask for a top-up: `auto_top_up.requested`, once per time that the machine is armed.

The answer doesn't wait for it. What is to be said is stored before it is appended, so that two processes that refuse
at once say the same, and a request whose process died is said by the next refusal.
"""

import asyncio
from datetime import UTC, datetime

import psycopg
import structlog

from ledger.core.top_ups import may_trigger
from ledger.gate.holds import SQL, Funds
from ledger.log.drafts import Draft, signed_draft
from ledger.log.event_appender import EventAppender
from ledger.log.publisher import LogUnavailable
from ledger.postgres.pools import AsyncPool
from ledger.postgres.release import OtherRelease
from ledger.settings import Settings
from schemas.events import AutoTopUpRequested, TopUpRequest
from schemas.identity import derived_id
from schemas.money import format_nanos

SOURCE = "ledger/gate"
_REMEMBERED_MAX = 100_000
_WAITING_MAX = 10_000

log = structlog.get_logger()


class TopUpRequests:
    """Notes refusals and appends what they ask for; `run` does the work."""

    def __init__(self, pool: AsyncPool, appender: EventAppender, settings: Settings) -> None:
        self._pool, self._appender, self._settings = pool, appender, settings
        self._said: dict[str, int] = {}
        self._waiting: asyncio.Queue[Funds] = asyncio.Queue(_WAITING_MAX)

    def note(self, funds: Funds) -> None:
        """Takes note of a refusal. A request that finds no room is made by the next refusal."""
        if not _asks(funds) or self._said.get(funds.account_id) == funds.top_up_since or self._waiting.full():
            return
        if len(self._said) >= _REMEMBERED_MAX:
            self._said.clear()
        self._said[funds.account_id] = funds.top_up_since
        self._waiting.put_nowait(funds)

    async def run(self) -> None:
        """Appends what was noted, for ever."""
        while True:
            funds = await self._waiting.get()
            try:
                await self._request(funds)
            except (psycopg.Error, OtherRelease, LogUnavailable) as error:
                self._said.pop(funds.account_id, None)
                log.warning("top_up_not_requested", error=type(error).__name__)

    async def _request(self, funds: Funds) -> None:
        place = {"account_id": funds.account_id, "since_seq": funds.top_up_since}
        async with self._pool.connection() as connection:
            told = {**place, "available": funds.available, "balance": funds.balance}
            claimed = await (await connection.execute(SQL["claim_request"], told)).fetchone()
            if claimed is None:
                missing = await connection.execute(SQL["request_missing"], place)
                if missing.rowcount:  # tried a moment ago; should that have failed, a later refusal says it
                    self._said.pop(funds.account_id, None)
                return
            available, balance = claimed
            await self._appender.append_async([self._draft(funds, available, balance)])
            await connection.execute(SQL["request_appended"], place)

    def _draft(self, funds: Funds, available: int, balance: int) -> Draft:
        event = AutoTopUpRequested(
            source=SOURCE,
            id=derived_id(funds.account_id, "auto_top_up.requested", str(funds.top_up_since)),
            subject=funds.account_id,
            time=datetime.now(UTC),
            data=TopUpRequest(available=format_nanos(available), balance=format_nanos(balance)),
        )
        return signed_draft(event, self._settings.signing_key())


def _asks(funds: Funds) -> bool:
    """Whether a refusal at these funds lets the machine trigger."""
    return may_trigger(
        enabled=funds.top_up_enabled,
        state=funds.top_up_state,
        threshold=funds.top_up_threshold,
        open_disputes=funds.top_up_disputes,
        available=funds.available,
    )
