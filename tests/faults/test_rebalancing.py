"""Workers that come and go under load hand their partitions over: nothing is lost, nothing is done twice."""

from pathlib import Path

from ledger.settings import Settings
from tests.support.expected import discrepancies
from tests.support.load import load, publishing
from tests.support.waiting import eventually
from tests.support.workers import Crew, crew, folded, wait_until_projected


def everyone_works(members: Crew) -> None:
    """Waits until the living workers, and no others, have equal shares, and something was folded after that."""
    share = members.settings.event_partitions // len(members.alive)
    eventually(lambda: list(members.assignments().values()) == [share] * len(members.alive), 60, members.assignments)
    before = folded(members.settings)
    eventually(lambda: folded(members.settings) > before)


def test_one_two_three_and_again_one_worker_post_every_event_once(settings: Settings, tmp_path: Path) -> None:
    with crew(settings, tmp_path) as members:
        first = members.start()
        with publishing(settings, load(9), per_second=1000, at_least=5000):
            everyone_works(members)
            second = members.start()
            everyone_works(members)
            third = members.start()
            everyone_works(members)
            assert first.stop() == 0, first.output
            assert third.stop() == 0, third.output
            everyone_works(members)
        wait_until_projected(settings)
        assert members.alive == [second]
    assert discrepancies(settings) == []
