"""The time between ready and stopped: traffic and what shows it, then the quiet end in which the numbers are proven."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from typing import NamedTuple

import httpx
import psycopg
from rich.console import Console

from ledger.core.errors import LedgerError
from ledger.dev.billing_page import page_link
from ledger.dev.board import Board
from ledger.dev.children import Children
from ledger.dev.dashboard import Dashboard, Links
from ledger.dev.observer import PROGRESS_SECONDS, Observer
from ledger.dev.recount import Recount
from ledger.dev.router import Router
from ledger.dev.stories import STORIES, Story, play
from ledger.dev.summary import Measured, Summary, summarise
from ledger.dev.tallies import Tallies, read_tallies
from ledger.dev.trace import Replay, Row, account_of
from ledger.dev.visibility import Visibility
from ledger.log.publisher import Publisher
from ledger.settings import Settings

FOLLOW_SECONDS = 2.0
REVIVE_SECONDS = 0.2
STALLED_SECONDS = 60.0


class Local(NamedTuple):
    """One local ledger: its settings, the key that may do everything, and where its payment sandbox answers."""

    settings: Settings
    operator_key: str
    sandbox: str

    @property
    def api(self) -> str:
        """Where its API answers."""
        return f"http://{self.settings.api_host}:{self.settings.api_port}"


class Traffic(NamedTuple):
    """What happens: the stories, a trace instead, or nothing; for so long, or until told to stop."""

    stories: Sequence[Story] = STORIES
    trace: list[Row] | None = None
    speed: float | None = None
    seconds: float | None = None


class Stalled(LedgerError):
    """The projection did not catch up with the log; the workers' logs in the home say why."""


class Session:
    """One run of traffic. `board` exists from the start, for what happens to processes before it."""

    def __init__(self, local: Local, before: Tallies, traffic: Traffic, console: Console) -> None:
        self._local, self._settings, self._before = local, local.settings, before
        self._traffic, self._console = traffic, console
        self.board = Board()
        self._visibility = Visibility()
        self._recount = Recount(local.settings, before)
        accounts = [story.account_id for story in traffic.stories]
        self._observer = Observer(local.settings.database, self._visibility, accounts)
        sample = self._sample_account()
        page = page_link(local.settings, sample)
        links = Links(local.api, local.operator_key, str(local.settings.home), sample, page)
        self._dashboard = Dashboard(console, traffic.stories, self.board, links)

    def _sample_account(self) -> str:
        """One whose balance is worth asking for."""
        if self._traffic.trace is not None:
            return account_of(0)
        return self._traffic.stories[0].account_id if self._traffic.stories else "ACCOUNT"

    async def run(self, children: Children, announce: Callable[[], None]) -> Summary:
        """Plays until it is over, then proves. A second Ctrl-C ends it at once."""
        over = self._listen()
        announce()  # not before: whoever reads dev.json may send a signal
        with closing(self._recount):
            async with self._router() as router, asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(self._observer.run(router.http, self._dashboard.show)),
                    tasks.create_task(self._keep_running(children, announce)),
                ]
                began = time.monotonic()
                with self._dashboard.shown():
                    following = tasks.create_task(self._follow_the_log())
                    await self._until_over(over, tasks.create_task(self._play(router)))
                    following.cancel()
                self._console.print("Traffic has stopped; waiting for the projection", style="dim")
                await self._caught_up()
                seconds = time.monotonic() - began
                for task in background:
                    task.cancel()
            return await asyncio.to_thread(self._summary, router, seconds)

    @asynccontextmanager
    async def _router(self) -> AsyncIterator[Router]:
        headers = {"Authorization": f"Bearer {self._local.operator_key}"}
        limits = httpx.Limits(max_connections=64)
        with Publisher(self._settings) as self._publisher:
            async with httpx.AsyncClient(base_url=self._local.api, headers=headers, limits=limits, timeout=10) as http:
                yield Router(self._settings, self._publisher, http, self._visibility, self.board)

    async def _play(self, router: Router) -> None:
        if self._traffic.trace is not None:
            key = self._settings.signing_key()
            replay = Replay(
                self._traffic.trace, self._traffic.speed, self._publisher, key, self._visibility, self.board
            )
            await replay.play()
            return
        if not self._traffic.stories:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as stories:
            for story in self._traffic.stories:
                stories.create_task(play(story, router))

    def _listen(self) -> asyncio.Event:
        """What the first signal sets; the second one ends everything at once."""
        over, loop, main = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()
        assert main is not None

        def asked() -> None:
            (main.cancel if over.is_set() else over.set)()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, asked)
        return over

    async def _until_over(self, over: asyncio.Event, traffic: asyncio.Task[None]) -> None:
        """Until a signal, the time that was asked for, or the end of the trace."""
        waiting = asyncio.ensure_future(over.wait())
        await asyncio.wait({traffic, waiting}, timeout=self._traffic.seconds, return_when=asyncio.FIRST_COMPLETED)
        over.set()
        await waiting
        traffic.cancel()
        with suppress(asyncio.CancelledError):
            await traffic

    async def _keep_running(self, children: Children, announce: Callable[[], None]) -> None:
        while True:
            if await asyncio.to_thread(children.revive):
                announce()
            await asyncio.sleep(REVIVE_SECONDS)

    async def _follow_the_log(self) -> None:
        """Recounts along the way, so that the end doesn't have to wait; not beside a replay, which needs the CPU."""
        while True:
            self._observer.note_ends(await asyncio.to_thread(self._recount.ends))
            if self._traffic.trace is None:
                await asyncio.to_thread(self._recount.follow, self._observer.progress)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _caught_up(self) -> None:
        """Until all that is on the log is projected and all that follows from it is published. Raises Stalled."""
        await asyncio.to_thread(self._publisher.close)
        moved_at, last = time.monotonic(), None
        while left := await self._left():
            if left != last:
                moved_at, last = time.monotonic(), left
            if time.monotonic() > moved_at + STALLED_SECONDS:
                raise Stalled(left)
            await asyncio.sleep(0.05)

    async def _left(self) -> str:
        """What is still to be done, in words; empty when nothing is."""
        self._observer.note_ends(await asyncio.to_thread(self._recount.ends))
        unpublished = await asyncio.to_thread(self._unpublished)
        await asyncio.sleep(PROGRESS_SECONDS)
        lag = self._observer.lag
        return f"{lag:,} records are not projected, {unpublished:,} messages not published" if lag + unpublished else ""

    def _unpublished(self) -> int:
        with psycopg.connect(self._settings.database) as connection:
            row = connection.execute("SELECT count(*) FROM records.outbox WHERE sent_at IS NULL").fetchone()
        return int(row[0]) if row else 0

    def _summary(self, router: Router, seconds: float) -> Summary:
        """Reads the views once and the log up to the same place."""
        after = read_tallies(self._settings.database)
        self._recount.follow(dict(after.progress))
        records = sum(end - self._recount.began.get(partition, 0) for partition, end in after.progress.items())
        measured = Measured(
            records=records,
            triggers=after.triggers - self._before.triggers,
            refused=router.counts["refused"],
            events_per_second=records / seconds,
            visible=self._visibility.percentiles(),
            recomputed=dict(self._recount.balances),
        )
        return summarise(self._settings.database, self._before, after, measured)
