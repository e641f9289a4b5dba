"""A worker that stood still while others took over does no harm when it wakes up, and none while it sleeps."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.settings import Settings
from tests.support.events import Ids, sender, usage
from tests.support.expected import discrepancies, home_of
from tests.support.load import load, publishing
from tests.support.waiting import eventually
from tests.support.workers import RUN, Worker, crew, folded, wait_until_projected

LOCKS = 0x1ED6E5
IDS = Ids(10)
# Kafka gives every partition to the one member of each group.
IN_ANOTHER_GROUP = RUN.replace("run(Settings())", "run.__globals__['group_of'] = lambda _: 'others'; run(Settings())")


@pytest.fixture
def server(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


def writers(server: psycopg.Connection[Any]) -> set[Any]:
    """Sessions that are in the middle of a batch, and since when."""
    query = """
    SELECT a.pid, a.xact_start FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.classid = %s AND l.mode = 'ExclusiveLock' AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    return set(server.execute(query, [LOCKS]).fetchall())


def pause_in_the_middle_of_a_batch(worker: Worker, server: psycopg.Connection[Any]) -> int:
    """Stops the only worker while it holds a partition; returns its session. One that missed goes on and is retried."""

    def paused() -> int | None:
        eventually(lambda: writers(server))
        worker.pause()
        time.sleep(0.05)
        held = writers(server)
        time.sleep(0.2)
        if held and held == writers(server):
            return int(next(iter(held))[0])
        worker.resume()
        return None

    found: int = eventually(paused)
    return found


def test_a_worker_stopped_in_the_middle_of_a_batch_is_replaced_and_harmless_when_it_goes_on(
    settings: Settings, tmp_path: Path, server: psycopg.Connection[Any]
) -> None:
    with crew(settings, tmp_path) as members:
        zombie = members.start()
        with publishing(settings, load(10), per_second=2000, at_least=15_000):
            session = pause_in_the_middle_of_a_batch(zombie, server)
            heir = members.start()
        wait_until_projected(settings)
        assert f"terminated=[{session}]" in heir.output
        before = folded(settings)
        zombie.resume()
        with publishing(settings, load(11), per_second=2000, at_least=5000):
            eventually(lambda: folded(settings) > before)
        wait_until_projected(settings)
        eventually(lambda: len(members.assignments()) == 2, why=lambda: zombie.output)
        assert discrepancies(settings) == []
        assert zombie.alive, zombie.output


def test_a_session_that_keeps_a_partition_locked_is_terminated_and_no_other(
    settings: Settings, tmp_path: Path, server: psycopg.Connection[Any]
) -> None:
    partition = home_of("acct_locked", settings.event_partitions)
    with (
        psycopg.connect(settings.database) as gone,
        psycopg.connect(settings.database) as stranger,
        crew(settings, tmp_path) as members,
    ):
        gone.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCKS, partition])
        stranger.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCKS + 1, partition])
        members.start()
        with sender(settings) as log:
            log.send(usage("acct_locked", IDS()))
        wait_until_projected(settings)
        with pytest.raises(psycopg.OperationalError):
            gone.execute("SELECT 1")
        stranger.execute("SELECT 1")
    assert discrepancies(settings) == []


def test_two_workers_that_both_believe_they_own_every_partition_post_every_event_once(
    settings: Settings, tmp_path: Path
) -> None:
    with crew(settings, tmp_path) as members:
        one, other = members.start(), members.start(IN_ANOTHER_GROUP)
        everything = [settings.event_partitions]
        for group in (settings.group("projector"), "others"):
            eventually(lambda: list(members.assignments(group).values()) == everything)  # noqa: B023
        with publishing(settings, load(12), per_second=2000, at_least=10_000):
            pass
        wait_until_projected(settings)
        assert one.alive
        assert other.alive
        assert "fenced" in one.output + other.output
    assert discrepancies(settings) == []
