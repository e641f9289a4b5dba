"""A session of `ledger dev`: traffic and its dashboard, then a quiet end in which the numbers are proven."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from typing import NamedTuple

import httpx
from rich.console import Console

from ledger.core.errors import LedgerError
from ledger.dev.billing_page import page_link
from ledger.dev.board import Board
from ledger.dev.child_processes import Children
from ledger.dev.dashboard import Dashboard, Links
from ledger.dev.observer import PROGRESS_SECONDS, Observer
from ledger.dev.recomputed_balances import RecomputedBalances
from ledger.dev.router import Router
from ledger.dev.stories import STORIES, Story, play
from ledger.dev.summary import RunFigures, Summary, summarise
from ledger.dev.trace_replay import Replay, Row, account_of
from ledger.dev.view_snapshot import ViewSnapshot, read_snapshot
from ledger.dev.visibility import Visibility
from ledger.log.publisher import Publisher
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.settings import Settings

FOLLOW_SECONDS = 2.0
RESTART_SECONDS = 0.2
STALLED_SECONDS = 60.0


class LocalLedger(NamedTuple):
    """One local ledger: its settings, the operator's key with all scopes, and the URL of its payment sandbox."""

    settings: Settings
    operator_key: str
    sandbox: str

    @property
    def api(self) -> str:
        """The URL of its API."""
        return f"http://{self.settings.api_host}:{self.settings.api_port}"


class Traffic(NamedTuple):
    """The traffic: stories, or a trace, or none; for `seconds`, or until a signal."""

    stories: Sequence[Story] = STORIES
    trace: list[Row] | None = None
    speed: float | None = None
    seconds: float | None = None


class Stalled(LedgerError):
    message = "The projection did not catch up with the log; the workers' logs in the home report why"


class Session:
    """One run of traffic. `board` exists from the start, for notices about processes before the run."""

    def __init__(self, local: LocalLedger, before: ViewSnapshot, traffic: Traffic, console: Console) -> None:
        self._local, self._settings, self._before = local, local.settings, before
        self._traffic, self._console = traffic, console
        self.board = Board()
        self._visibility = Visibility()
        self._recomputed = RecomputedBalances(local.settings, before)
        accounts = [story.account_id for story in traffic.stories]
        self._observer = Observer(local.settings.database, self._visibility, accounts)
        sample = self._sample_account()
        page = page_link(local.settings, sample)
        links = Links(local.api, local.operator_key, str(local.settings.home), sample, page)
        self._dashboard = Dashboard(console, traffic.stories, self.board, links)

    def _sample_account(self) -> str:
        """An account whose balance is interesting to see."""
        if self._traffic.trace is not None:
            return account_of(0)
        return self._traffic.stories[0].account_id if self._traffic.stories else "ACCOUNT"

    async def run(self, children: Children, write_files: Callable[[], None]) -> Summary:
        """Plays the traffic until it is over, then proves the numbers. A second Ctrl-C ends it at once."""
        over = self._stop_on_signals()
        write_files()  # not earlier: a program that reads dev.json may send a signal
        with closing(self._recomputed):
            async with self._router() as router, asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(self._observer.run(router.http, self._dashboard.show)),
                    tasks.create_task(self._keep_running(children, write_files)),
                ]
                began = time.monotonic()
                with self._dashboard.shown():
                    following = tasks.create_task(self._follow_the_log())
                    await self._until_over(over, tasks.create_task(self._play(router)))
                    following.cancel()
                self._console.print("Traffic has stopped; waiting for the projection", style="dim")
                await self._wait_until_projected()
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

    def _stop_on_signals(self) -> asyncio.Event:
        """An event that the first signal sets. The second signal cancels everything at once."""
        over, loop, main = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()
        assert main is not None

        def asked() -> None:
            (main.cancel if over.is_set() else over.set)()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, asked)
        return over

    async def _until_over(self, over: asyncio.Event, traffic: asyncio.Task[None]) -> None:
        """Waits for a signal, the given time, or the end of the trace."""
        waiting = asyncio.ensure_future(over.wait())
        await asyncio.wait({traffic, waiting}, timeout=self._traffic.seconds, return_when=asyncio.FIRST_COMPLETED)
        over.set()
        await waiting
        traffic.cancel()
        with suppress(asyncio.CancelledError):
            await traffic

    async def _keep_running(self, children: Children, write_files: Callable[[], None]) -> None:
        while True:
            if await asyncio.to_thread(children.restart_ended):
                write_files()
            await asyncio.sleep(RESTART_SECONDS)

    async def _follow_the_log(self) -> None:
        """Recomputes during the run, so that the end is quick; but not during a replay, which needs the CPU."""
        while True:
            self._observer.note_ends(await asyncio.to_thread(self._recomputed.ends))
            if self._traffic.trace is None:
                await asyncio.to_thread(self._recomputed.follow, self._observer.progress)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _wait_until_projected(self) -> None:
        """Waits until the whole log is projected and all resulting messages are published. Raises Stalled."""
        await asyncio.to_thread(self._publisher.close)
        moved_at, last = time.monotonic(), None
        while left := await self._remaining():
            if left != last:
                moved_at, last = time.monotonic(), left
            if time.monotonic() > moved_at + STALLED_SECONDS:
                raise Stalled(left)
            await asyncio.sleep(0.05)

    async def _remaining(self) -> str:
        """The remaining work in words; empty if there is none."""
        self._observer.note_ends(await asyncio.to_thread(self._recomputed.ends))
        unpublished = await asyncio.to_thread(self._unpublished)
        await asyncio.sleep(PROGRESS_SECONDS)
        lag = self._observer.lag
        return f"{lag:,} records are not projected, {unpublished:,} messages not published" if lag + unpublished else ""

    def _unpublished(self) -> int:
        with connect(self._settings.database, COMMAND) as connection:
            row = connection.execute("SELECT count(*) FROM records.outbox WHERE sent_at IS NULL").fetchone()
        return int(row[0]) if row else 0

    def _summary(self, router: Router, seconds: float) -> Summary:
        """Reads the views once, and the log up to the same place."""
        after = read_snapshot(self._settings.database)
        self._recomputed.follow(dict(after.progress))
        records = sum(end - self._recomputed.began.get(partition, 0) for partition, end in after.progress.items())
        figures = RunFigures(
            records=records,
            triggers=after.triggers - self._before.triggers,
            refused=router.counts["refused"],
            events_per_second=records / seconds,
            visible=self._visibility.percentiles(),
            recomputed=dict(self._recomputed.balances),
        )
        return summarise(self._settings.database, self._before, after, figures)
