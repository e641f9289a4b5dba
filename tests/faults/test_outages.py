"""Kafka and Postgres that die under load and come back: workers wait, say so in few words, and go on by themselves."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.settings import Settings
from tests.support.events import Ids, sender, usage
from tests.support.expected import discrepancies
from tests.support.ledgers import new_ledger, temporary_stack
from tests.support.load import load, publishing
from tests.support.waiting import eventually
from tests.support.workers import Crew, crew, folded, wait_until_projected

IDS = Ids(13)
SLOW = bool(os.environ.get("LEDGER_SLOW"))
LINES_MAX = 20  # its consumer, its relay, its book and its beats try many times a second, and don't say so each time


@pytest.fixture(scope="module")
def mortal() -> Iterator[Stack]:
    """A stack of this module's own."""
    with temporary_stack() as running:
        yield running


@pytest.fixture
def own(mortal: Stack) -> Settings:
    """A ledger on it."""
    settings = new_ledger(mortal)
    bootstrap(settings)
    return settings


def works(members: Crew) -> None:
    before = folded(members.settings)
    eventually(lambda: folded(members.settings) > before, why=lambda: [each.output for each in members.all])


def postgres_dies(mortal: Stack) -> None:
    mortal.postgres.kill()
    time.sleep(1.5)
    mortal.postgres.start()


def kafka_dies(mortal: Stack) -> None:
    mortal.kafka.kill()
    time.sleep(1.5)
    mortal.kafka.start()


def both_die(mortal: Stack) -> None:
    mortal.postgres.kill()
    mortal.kafka.kill()
    mortal.kafka.start()
    mortal.postgres.start()


def kafka_freezes(mortal: Stack) -> None:
    """Longer than sessions, requests and patience last."""
    assert mortal.kafka.pid is not None
    os.kill(mortal.kafka.pid, signal.SIGSTOP)
    time.sleep(13)
    os.kill(mortal.kafka.pid, signal.SIGCONT)


def test_postgres_and_kafka_die_under_load_and_the_same_workers_go_on(
    mortal: Stack, own: Settings, tmp_path: Path
) -> None:
    seed = random.randrange(10**6) if SLOW else 13
    outages = [postgres_dies, kafka_dies, both_die]
    if SLOW:
        outages = random.Random(seed).choices([*outages, kafka_freezes], k=20)
    with crew(own, tmp_path) as members:
        members.start(), members.start()
        with publishing(own, load(seed), per_second=1000, at_least=5000):
            works(members)
            for outage in outages:
                print(outage.__name__)
                outage(mortal)
                works(members)
        wait_until_projected(own, 120)
        assert len(members.alive) == 2, [each.output for each in members.all]
    assert discrepancies(own) == []


def test_a_worker_without_a_broker_says_so_in_few_words_and_stops_when_told(
    mortal: Stack, own: Settings, tmp_path: Path
) -> None:
    with crew(own, tmp_path) as members:
        with sender(own) as log:
            log.send(usage("acct_1", IDS()))
        worker = members.start()
        wait_until_projected(own)
        said = len(worker.output.splitlines())
        mortal.kafka.kill()
        try:
            eventually(lambda: "for_=kafka" in worker.output, 20)
            lines = worker.output.splitlines()[said:]
            assert len(lines) <= LINES_MAX, "\n".join(lines)
            assert worker.stop(seconds=10) == 0
        finally:
            mortal.kafka.start()


def test_a_worker_without_a_database_stops_when_told(mortal: Stack, own: Settings, tmp_path: Path) -> None:
    with crew(own, tmp_path) as members:
        worker = members.start()
        with sender(own) as log:
            log.send(usage("acct_1", IDS()))
            log.acknowledged()
            wait_until_projected(own)
            mortal.postgres.kill()
            try:
                log.send(usage("acct_1", IDS()))
                log.acknowledged()
                eventually(lambda: "for_=postgres" in worker.output, why=lambda: worker.output)
                assert worker.stop(seconds=10) == 0
            finally:
                mortal.postgres.start()
