"""Kafka and Postgres that die under load and come back: workers wait, say so in few words, and go on by themselves."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.settings import Settings
from tests.support.events import Ids, sender, usage
from tests.support.expected import discrepancies
from tests.support.ledgers import new_ledger
from tests.support.load import load, publishing
from tests.support.workers import Crew, crew, eventually, folded, wait_until_projected

IDS = Ids(13)
LINES_PER_SECOND_MAX = 8  # of one worker: its consumer, its relay, its book and its beats each say it once a second


@pytest.fixture(scope="module")
def mortal() -> Iterator[Stack]:
    """A stack of this module's own."""
    with TemporaryDirectory(prefix="ledger-test-") as home, Stack(Path(home)) as running:
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


def test_postgres_and_kafka_die_under_load_and_the_same_workers_go_on(
    mortal: Stack, own: Settings, tmp_path: Path
) -> None:
    with crew(own, tmp_path) as members:
        members.start(), members.start()
        with publishing(own, load(13, 30_000), per_second=1000) as published:
            works(members)
            mortal.postgres.kill()
            time.sleep(1.5)
            mortal.postgres.start()
            works(members)
            mortal.kafka.kill()
            time.sleep(1.5)
            mortal.kafka.start()
            works(members)
            mortal.postgres.kill()
            mortal.kafka.kill()
            mortal.kafka.start()
            mortal.postgres.start()
            works(members)
            assert not published.is_set(), "all died after the load"
        wait_until_projected(own)
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
            time.sleep(8)
            lines = worker.output.splitlines()[said:]
            assert any("kafka" in line for line in lines)
            assert len(lines) <= 8 * LINES_PER_SECOND_MAX, "\n".join(lines)
            assert worker.stop(seconds=10) == 0
        finally:
            mortal.kafka.start()


def test_a_worker_without_a_database_stops_when_told(mortal: Stack, own: Settings, tmp_path: Path) -> None:
    with crew(own, tmp_path) as members:
        worker = members.start()
        with sender(own) as log:
            log.send(usage("acct_1", IDS()))
            wait_until_projected(own)
            mortal.postgres.kill()
            try:
                log.send(usage("acct_1", IDS()))
                log.acknowledged()
                eventually(lambda: "for_=postgres" in worker.output, why=lambda: worker.output)
                assert worker.stop(seconds=10) == 0
            finally:
                mortal.postgres.start()
