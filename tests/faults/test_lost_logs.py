"""A broker that comes back with another past: no worker folds on top of it, whichever partition it lost."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.events import Ids, sender, usage
from tests.support.expected import home_of
from tests.support.ledgers import new_ledger, temporary_stack
from tests.support.workers import crew, eventually, folded, wait_until_projected

EXIT_REFUSED = 78
IDS = Ids(17)
RECORDS = 5


@pytest.fixture(scope="module")
def mortal() -> Iterator[Stack]:
    with temporary_stack() as running:
        yield running


def an_account_of(partition: int, settings: Settings) -> str:
    names = (f"acct_{number}" for number in range(1000))
    return next(name for name in names if home_of(name, settings.event_partitions) == partition)


def lose_partition(stack: Stack, settings: Settings, partition: int) -> None:
    """The broker dies and comes back with an empty disk where the partition was."""
    stack.kafka.kill()
    folder = Path(stack.kafka.folder) / "data" / f"{settings.topic(EVENTS)}-{partition}"
    shutil.rmtree(folder)
    stack.kafka.start()


def test_a_partition_that_was_refilled_with_other_records_is_not_folded_on(mortal: Stack, tmp_path: Path) -> None:
    """The first fetch after the reconnect brings the sound partition only; the lost one has as many records again."""
    settings = new_ledger(mortal)
    bootstrap(settings)
    sound, lost = an_account_of(1, settings), an_account_of(0, settings)
    with crew(settings, tmp_path) as members:
        with sender(settings) as log:
            log.send(*(usage(account, IDS()) for account in (sound, lost) for _ in range(RECORDS)))
        worker = members.start()
        wait_until_projected(settings)
        worker.pause()
        lose_partition(mortal, settings, 0)
        with sender(settings) as log:
            log.send(*(usage(lost, IDS()) for _ in range(RECORDS)), usage(sound, IDS()))
        worker.resume()
        eventually(lambda: folded(settings) > 2 * RECORDS or not worker.alive, why=lambda: worker.output)
        with sender(settings) as log:
            log.send(usage(lost, IDS()))
        eventually(lambda: not worker.alive, 30, why=lambda: worker.output)
        assert worker.wait() == EXIT_REFUSED
        assert "another record stands at offset" in worker.output
    assert folded(settings) <= 2 * RECORDS + 1


def test_a_partition_that_comes_back_empty_ends_its_worker_though_nothing_is_sent(
    mortal: Stack, tmp_path: Path
) -> None:
    """No fetch brings anything that could be doubted; the log's end alone says it."""
    settings = new_ledger(mortal)
    bootstrap(settings)
    with crew(settings, tmp_path) as members:
        with sender(settings) as log:
            log.send(*(usage(an_account_of(0, settings), IDS()) for _ in range(RECORDS)))
        worker = members.start()
        wait_until_projected(settings)
        lose_partition(mortal, settings, 0)
        eventually(lambda: not worker.alive, 30, why=lambda: worker.output)
        assert worker.wait() == EXIT_REFUSED
        assert "it lost its tail" in worker.output
