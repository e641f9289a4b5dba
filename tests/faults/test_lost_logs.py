"""A broker that comes back with another past: no worker folds it, and no process appends to it."""

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.events import Ids, sender, usage
from tests.support.expected import home_of
from tests.support.ledgers import new_ledger, temporary_stack
from tests.support.servers import api, client, key
from tests.support.waiting import eventually
from tests.support.workers import crew, folded, wait_until_projected

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
        assert "another record is at offset" in worker.output
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


class Usage:
    """Posts usage again and again, of accounts of all partitions; counts what it was answered."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.answers, self.accepted = Counter[str](), list[str]()
        self._url, self._token, self._stopping = url, key(settings), threading.Event()
        self._accounts = [an_account_of(number, settings) for number in range(settings.event_partitions)]
        self._thread = threading.Thread(target=self._post)
        self._thread.start()

    def _post(self) -> None:
        with client(self._url, self._token) as http:
            while not self._stopping.wait(0.05):
                event = usage(self._accounts[sum(self.answers.values()) % len(self._accounts)], IDS())
                answer = http.post("/v1/usage", json=event)
                code = "accepted" if answer.status_code == 202 else str(answer.json()["error"]["code"])
                self.answers[code] += 1
                if code == "accepted":
                    self.accepted.append(event["id"])

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


@pytest.mark.skipif(not os.environ.get("LEDGER_SLOW"), reason="three starts of a broker: LEDGER_SLOW=1")
def test_nothing_is_written_to_an_older_copy_of_the_log_and_all_goes_on_when_the_newer_one_is_back(
    mortal: Stack, tmp_path: Path
) -> None:
    settings = new_ledger(mortal)
    bootstrap(settings)
    data, older, newer = mortal.kafka.folder / "data", tmp_path / "older", tmp_path / "newer"
    with crew(settings, tmp_path) as members, api(settings, tmp_path) as url:
        worker, router = members.start(), Usage(url, settings)
        try:
            eventually(lambda: router.answers["accepted"] > 20)
            restart_with(mortal, lambda: shutil.copytree(data, older))
            before = len(router.accepted)
            eventually(lambda: len(router.accepted) > before + 20)
            wait_until_folded(settings, before + 20)
            restart_with(mortal, lambda: (data.rename(newer), shutil.copytree(older, data)))
            before = len(router.accepted)
            eventually(lambda: router.answers["log_refused"] > 20)
            assert len(router.accepted) == before
            eventually(lambda: not worker.alive)
            assert worker.wait() == EXIT_REFUSED
            restart_with(mortal, lambda: (shutil.rmtree(data), shutil.copytree(newer, data)))
            eventually(lambda: len(router.accepted) > before + 20)
        finally:
            router.stop()
        members.start()
        wait_until_projected(settings)
    with psycopg.connect(settings.database) as connection:
        posted = {str(row[0]) for row in connection.execute("SELECT event_id FROM views.entries")}
    assert set(router.accepted) <= posted, "accepted, and on no log"


def restart_with(stack: Stack, meanwhile: Callable[[], object]) -> None:
    stack.kafka.kill()
    meanwhile()
    stack.kafka.start()


def wait_until_folded(settings: Settings, records: int) -> None:
    eventually(lambda: folded(settings) >= records)
