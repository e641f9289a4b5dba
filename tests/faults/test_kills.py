"""Workers that are killed in the middle of their work, again and again, leave nothing out and do nothing twice."""

import os
import random
from pathlib import Path

from ledger.settings import Settings
from tests.support.expected import discrepancies, expected_of, triggers_of
from tests.support.load import load, publishing
from tests.support.workers import Crew, crew, eventually, folded, wait_until_projected

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
    events, rounds, chance = (200_000, 30, random.Random(seed)) if SLOW else (30_000, 4, random.Random(seed))
    with crew(settings, tmp_path) as members:
        members.start(), members.start(), members.start()
        with publishing(settings, load(seed, events), per_second=1200) as published:
            for _ in range(rounds):
                kill_after_progress(members, chance, victims=2)
            assert not published.is_set(), "the kills came after the load"
        wait_until_projected(settings)
    assert len(members.all) - 3 >= 2 * rounds
    assert discrepancies(settings) == []
    assert set(triggers_of(settings)) == expected_of(settings).triggers != set()
