"""Workers that are killed in the middle of their work, again and again, leave nothing out and do nothing twice."""

import os
import random
from pathlib import Path

import psycopg

from ledger.settings import Settings
from tests.support.events import Ids, purchase, sender
from tests.support.expected import discrepancies, expected_of, triggers_of
from tests.support.load import load, publishing
from tests.support.waiting import eventually
from tests.support.workers import Crew, Worker, crew, folded, wait_until_projected

SLOW = bool(os.environ.get("LEDGER_SLOW"))


def kill_after_progress(members: Crew, chance: random.Random, victims: int) -> None:
    """Lets the crew fold something, kills some of it at a random moment after that, and starts as many again."""
    before = folded(members.settings)
    eventually(lambda: folded(members.settings) > before, why=lambda: members.all[-1].output)
    eventually(lambda: chance.random() < 0.2)
    for worker in chance.sample(members.alive, victims):
        worker.kill()
        members.start()


def test_workers_that_are_killed_again_and_again_post_every_event_once(settings: Settings, tmp_path: Path) -> None:
    seed = random.randrange(10**6) if SLOW else 8
    rounds, at_least = (40, 200_000) if SLOW else (4, 25_000)
    chance = random.Random(seed)
    with crew(settings, tmp_path) as members:
        members.start(), members.start(), members.start()
        with publishing(settings, load(seed), per_second=1500, at_least=at_least):
            for _ in range(rounds):
                kill_after_progress(members, chance, victims=2)
        wait_until_projected(settings, 120)
    assert len(members.all) - 3 >= 2 * rounds
    assert discrepancies(settings) == []
    assert set(triggers_of(settings)) == expected_of(settings).triggers != set()


def unsent(settings: Settings) -> int:
    with psycopg.connect(settings.database) as connection:
        row = connection.execute("SELECT count(*) FROM records.outbox WHERE sent_at IS NULL").fetchone()
    assert row
    return int(row[0])


def kill_between_commit_and_relay(settings: Settings, worker: Worker) -> None:
    """Kills the only worker when it has committed what it has not yet said; tried until it is so."""

    def committed() -> bool:
        eventually(lambda: unsent(settings))
        worker.pause()
        if unsent(settings):
            return True
        worker.resume()
        return False

    eventually(committed)
    worker.kill()


def test_what_a_killed_worker_had_committed_but_not_said_is_said_by_the_next(
    settings: Settings, tmp_path: Path
) -> None:
    ids = Ids(9)
    accounts = [f"said_{number}" for number in range(3000)]
    with sender(settings) as log:
        log.send(*(purchase(account, ids(), "8", f"pur_{account}") for account in accounts))
    with crew(settings, tmp_path) as members:
        kill_between_commit_and_relay(settings, members.start())
        assert unsent(settings) > 0
        members.start()
        wait_until_projected(settings)
    assert unsent(settings) == 0
    assert discrepancies(settings) == []
