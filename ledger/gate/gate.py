"""Group commit: requests that arrive while one group is decided form the next group. An idle gate decides at once.

Two lanes decide, each on a connection of its own; the second one helps when many wait, for few are cheaper together. An
account that is locked, by the other lane, another process or a batch that settles, leaves its group and is decided in a
third lane that waits for it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import NamedTuple

import psycopg

from ledger.core.errors import LedgerError
from ledger.gate.abandoned_holds import AbandonedHolds
from ledger.gate.deciding import decide_group
from ledger.gate.holds import Decision, NewHold
from ledger.gate.pipeline import Pipeline
from ledger.postgres.connections import connect_async
from ledger.postgres.kinds import GATE
from ledger.postgres.types import AsyncConnection
from ledger.settings import Settings

GROUP_MAX = 256
_LANES = (1, 8)  # per lane: how many requests must wait before it takes a group
_ANSWER_SECONDS = 12  # for a server that hangs: then its own timeouts do not work either

Connect = Callable[[], Awaitable[AsyncConnection]]


class GateUnavailable(LedgerError):
    message = "The gate's database does not answer; ask again"


class _Waiting(NamedTuple):
    new: NewHold
    answer: asyncio.Future[Decision]


class _Lane:
    """One connection and the requests that wait for it."""

    def __init__(
        self,
        stale_seconds: float,
        connect: Connect,
        queue: "_Queue",
        abandoned: AbandonedHolds,
        *,
        wait: bool,
        least: int = 1,
    ) -> None:
        self._stale_seconds, self._connect = stale_seconds, connect
        self._queue, self._abandoned, self._wait, self._least = queue, abandoned, wait, least
        self._pipeline: Pipeline | None = None

    async def run(self, busy: "_Queue | None") -> None:
        """Decides group after group until it is cancelled."""
        try:
            while True:
                group = await self._queue.next_group(self._least)
                try:
                    await self._decide(group, busy)
                except Exception as error:  # whatever it is: the waiting requests get it, and the lane continues
                    await self._drop()
                    self._fail(group, error)
        finally:
            await self._drop()

    async def _decide(self, group: list[_Waiting], busy: "_Queue | None") -> None:
        if self._pipeline is not None and self._pipeline.lost:
            await self._drop()
        if self._pipeline is None:
            self._pipeline = Pipeline(await self._connect())
        async with asyncio.timeout(_ANSWER_SECONDS):
            answers = await decide_group(
                self._pipeline, [each.new for each in group], self._stale_seconds, wait=self._wait
            )
        for waiting, answer in zip(group, answers, strict=True):
            if answer is None and busy is not None:
                busy.put(waiting)
            elif waiting.answer.done():  # cancelled meanwhile
                self._abandoned.note(waiting.new)
            elif isinstance(answer, LedgerError):
                waiting.answer.set_exception(answer)
            elif answer is not None:
                waiting.answer.set_result(answer)

    def _fail(self, group: list[_Waiting], error: Exception) -> None:
        """Fails a group. Its holds may be stored: the answer of the commit may have been lost."""
        for waiting in group:
            self._abandoned.note(waiting.new)
            if not waiting.answer.done():
                no_answer = isinstance(error, psycopg.Error | TimeoutError)
                waiting.answer.set_exception(GateUnavailable(type(error).__name__) if no_answer else error)

    async def _drop(self) -> None:
        if self._pipeline is not None:
            with contextlib.suppress(psycopg.Error):
                await self._pipeline.close()
            self._pipeline = None


class _Queue:
    """Requests in their order of arrival."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._some = asyncio.Event()

    def put(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._some.set()

    async def next_group(self, least: int) -> list[_Waiting]:
        """The waiting requests, GROUP_MAX at most; waits until there are at least `least`."""
        while len(self._waiting) < least:
            self._some.clear()
            await self._some.wait()
        return [self._waiting.popleft() for _ in range(min(GROUP_MAX, len(self._waiting)))]


class Gate:
    """Decides requests of this process, in groups; any number of processes may run beside it.

    `connect_lane` makes a connection of the kind GATE, and may refuse to while Postgres is known to be away.
    """

    def __init__(self, settings: Settings, connect_lane: Connect | None = None) -> None:
        self._stale_seconds = settings.gate_stale_seconds
        self._connect = connect_lane or partial(connect_async, settings.database, GATE)
        self._arrived, self._busy = _Queue(), _Queue()
        self._abandoned = AbandonedHolds(self._connect)

    async def decide(self, new: NewHold) -> Decision:
        """Grants or refuses a hold. Raises HoldConflict, HoldClosed, ProjectionBehind or GateUnavailable.

        Without an answer, since the wait was cancelled or the gate failed, what was granted is given back.
        """
        answer = asyncio.get_running_loop().create_future()
        self._arrived.put(_Waiting(new, answer))
        return await answer  # type: ignore[no-any-return]

    def give_back(self, new: NewHold) -> None:
        """Releases this request's hold: its requester can't get the answer any more."""
        self._abandoned.note(new)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Decides until the block ends; requests that wait then are not decided."""
        lane = partial(_Lane, self._stale_seconds, self._connect)
        fast = [lane(self._arrived, self._abandoned, wait=False, least=least) for least in _LANES]
        patient = lane(self._busy, self._abandoned, wait=True)
        work = [*(each.run(self._busy) for each in fast), patient.run(None), self._abandoned.run()]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
