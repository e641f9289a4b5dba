"""Reads the running ledger's state again and again with one small connection: progress, accounts, counts."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import httpx

from ledger.dev.visibility import Percentiles, Visibility
from ledger.postgres.connections import connect_async
from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
from ledger.postgres.types import AsyncConnection
from schemas.money import parse_nanos

PROGRESS_SECONDS = 0.01
STATUS_SECONDS = 0.5
BALANCE_SECONDS = 1.0
RATE_SECONDS = 5.0

_STATES = "SELECT account_id, state, top_up_enabled IS TRUE FROM views.accounts WHERE account_id = ANY (%s)"
_OUTCOMES = "SELECT outcome, sum(records)::bigint FROM views.record_counts GROUP BY outcome"
_DEAD_LETTER = """
SELECT account_id, code, field, reason, log_time > now() - interval '4 seconds' FROM views.dead_letters
WHERE log_time >= %s ORDER BY log_time DESC LIMIT 1
"""


class AccountLine(NamedTuple):
    """One account: balance and held credits in nanos, and the state of its auto top-up, if it has one."""

    balance: int
    held: int
    state: str
    top_ups: bool


class DeadLetter(NamedTuple):
    """The newest dead letter of this run."""

    account_id: str | None
    code: str
    field: str | None
    reason: str
    fresh: bool


class Status(NamedTuple):
    """The ledger's state at one moment. `outcomes`: records since the run began, by outcome."""

    accounts: dict[str, AccountLine]
    outcomes: dict[str, int]
    per_second: float
    lag: int
    visible: Percentiles
    dead_letter: DeadLetter | None


class Observer:
    """`progress`: the newest progress. `status`: the newest status; None before the first."""

    def __init__(self, database: str, visibility: Visibility, accounts: Sequence[str]) -> None:
        self._database, self._visibility, self._accounts = database, visibility, list(accounts)
        self.progress: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.status: Status | None = None
        self._balances: dict[str, tuple[int, int]] = {}
        self._start: dict[str, int] | None = None
        self._began = datetime.now(UTC)
        self._history: list[tuple[float, int]] = []

    async def run(self, http: httpx.AsyncClient, changed: Callable[[Status], None]) -> None:
        """Reads until it is cancelled, and calls `changed` with each new status."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_views(changed))
            tasks.create_task(self._watch_balances(http))

    async def _watch_balances(self, http: httpx.AsyncClient) -> None:
        while True:
            await asyncio.gather(*(self._look_at_balance(http, account_id) for account_id in self._accounts))
            await asyncio.sleep(BALANCE_SECONDS)

    async def _look_at_balance(self, http: httpx.AsyncClient, account_id: str) -> None:
        try:
            answer = await http.get(f"/v1/accounts/{account_id}/balance")
        except httpx.TransportError:
            return  # the API is restarting; the last balance is kept
        if answer.is_success:
            found = answer.json()
            self._balances[account_id] = parse_nanos(found["balance"]), parse_nanos(found["held"])

    async def _watch_views(self, changed: Callable[[Status], None]) -> None:
        connection = await connect_async(self._database, COMMAND_AUTOCOMMIT)
        async with connection:
            due = 0.0
            while True:
                await self._look_at_progress(connection)
                if time.monotonic() >= due:
                    due = time.monotonic() + STATUS_SECONDS
                    self.status = await self._look(connection)
                    changed(self.status)
                await asyncio.sleep(PROGRESS_SECONDS)

    def note_ends(self, ends: dict[int, int]) -> None:
        """Sets where the log ends, for the lag."""
        self.ends = ends

    @property
    def lag(self) -> int:
        """How many records on the log are not projected yet."""
        return sum(max(end - self.progress.get(partition, 0), 0) for partition, end in self.ends.items())

    async def _look_at_progress(self, connection: AsyncConnection) -> None:
        rows = await (await connection.execute("SELECT partition, next_offset FROM views.progress")).fetchall()
        self.progress = dict(rows)
        self._visibility.observe(time.monotonic(), self.progress)

    async def _look(self, connection: AsyncConnection) -> Status:
        states = await (await connection.execute(_STATES, (self._accounts,))).fetchall()
        dead_letter = await (await connection.execute(_DEAD_LETTER, (self._began,))).fetchone()
        outcomes = dict(await (await connection.execute(_OUTCOMES)).fetchall())
        start = self._start = outcomes if self._start is None else self._start
        return Status(
            {id_: AccountLine(*self._balances[id_], *state) for id_, *state in states if id_ in self._balances},
            {name: count - start.get(name, 0) for name, count in outcomes.items()},
            self._rate(sum(outcomes.values())),
            self.lag,
            self._visibility.percentiles(recent=True),
            None if dead_letter is None else DeadLetter(*dead_letter),
        )

    def _rate(self, records: int) -> float:
        """Records projected per second over the last few seconds."""
        now = time.monotonic()
        self._history = [(at, count) for at, count in self._history if at > now - RATE_SECONDS]
        self._history.append((now, records))
        (first_at, first), (last_at, last) = self._history[0], self._history[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0
