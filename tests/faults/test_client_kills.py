"""A router's process and its broker, killed with SIGKILL again and again: each recorded call counts once, in order."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.settings import Settings
from tests.support.expected import discrepancies
from tests.support.ledgers import new_ledger, temporary_stack
from tests.support.programs import Program, environment
from tests.support.recorder import ACCOUNTS, THREADS, noted
from tests.support.waiting import eventually
from tests.support.workers import crew, wait_until_projected

SLOW = bool(os.environ.get("LEDGER_SLOW"))
EVENTS_TOTAL, KILLS = (100_000, 40) if SLOW else (3_000, 2)


@pytest.fixture
def mortal() -> Iterator[Stack]:
    """A stack of this test's own."""
    with temporary_stack() as running:
        yield running


class Router:
    """The process that records; started again after each kill."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._start()

    @property
    def noted(self) -> int:
        """How many calls have returned, over all its lives."""
        return sum(noted(self._folder, thread) for thread in range(THREADS))

    def kill(self) -> None:
        """SIGKILL; its successor finds the spool."""
        self._process.kill()
        self._process.wait(10)
        self._start()

    def end(self, seconds: float) -> int:
        """The exit code, once all is recorded and delivered."""
        return self._process.wait(seconds)

    def _start(self) -> None:
        kafka, prefix = self._settings.kafka, self._settings.topic_prefix
        arguments = ["-m", "tests.support.recorder", kafka, prefix, str(self._folder), str(EVENTS_TOTAL)]
        self._process = Program(*arguments, environment=environment(self._settings))


def kill_both(mortal: Stack, router: Router, chance: random.Random) -> None:
    """Kills the router here and there among its calls, and every other time the broker with it."""
    for number, after in enumerate(sorted(chance.sample(range(EVENTS_TOTAL * 9 // 10), KILLS))):
        eventually(lambda mark=after: router.noted > mark)  # type: ignore[misc]
        if number % 2:
            router.kill()
            continue
        mortal.kafka.kill()
        time.sleep(chance.uniform(0, 1))
        router.kill()
        mortal.kafka.start()


def order_in(settings: Settings) -> dict[str, list[str]]:
    """The calls of each account in the order in which they were counted."""
    with psycopg.connect(settings.database) as connection:
        rows = connection.execute(
            "SELECT account_id, array_agg(request_id ORDER BY seq) FROM views.entries GROUP BY account_id"
        )
        return dict(rows.fetchall())


def test_calls_of_a_router_that_is_killed_are_counted_once_and_in_order(mortal: Stack, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    settings = new_ledger(mortal)
    bootstrap(settings)
    router, started = Router(settings, tmp_path), time.monotonic()
    kill_both(mortal, router, random.Random(seed))
    assert router.end(180) == 0
    seconds = time.monotonic() - started
    with crew(settings, tmp_path) as members:
        members.start()
        wait_until_projected(settings, 120)
    print(f"{EVENTS_TOTAL} calls in {seconds:.0f} s; router killed {KILLS} times, broker {KILLS // 2} times")
    assert discrepancies(settings) == []
    of_account = {f"acct_{first}": range(first, EVENTS_TOTAL, ACCOUNTS) for first in range(ACCOUNTS)}
    assert order_in(settings) == {
        account: [f"req_{number:07}" for number in numbers] for account, numbers in of_account.items()
    }
    assert list((tmp_path / "spool").iterdir()) == []
