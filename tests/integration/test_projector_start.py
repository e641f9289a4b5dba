"""A worker waits for what will come, and refuses to start on what is wrong, in words that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.dev.first_book import first_book
from ledger.dev.stack import Stack
from ledger.log.book import publish_version
from ledger.log.publisher import Publisher
from ledger.log.topics import create_topics
from ledger.records.migrate import migrate
from ledger.settings import Settings
from tests.support.events import Ids, sender, usage
from tests.support.ledgers import new_ledger
from tests.support.waiting import eventually
from tests.support.workers import Worker, crew, folded, wait_until_projected

EXIT_REFUSED = 78
IDS = Ids(7)


@pytest.fixture
def views(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def used(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A ledger whose log was folded up to its end, by a worker that has stopped."""
    with sender(settings) as log:
        log.send(*(usage(f"acct_{number}", IDS()) for number in range(20)))
    with crew(settings, tmp_path_factory.mktemp("workers")) as members:
        worker = members.start()
        wait_until_projected(settings)
        assert worker.stop() == 0
    return settings


@contextmanager
def refusing(settings: Settings, folder: Path) -> Iterator[Worker]:
    """A worker that ends by itself."""
    (folder / "refusing").mkdir()
    with crew(settings, folder / "refusing") as members:
        worker = members.start()
        eventually(lambda: not worker.alive, 30)
        yield worker


def test_without_a_book_a_worker_waits_and_folds_when_one_is_published(stack: Stack, tmp_path: Path) -> None:
    bookless = new_ledger(stack)
    migrate(bookless.database)
    create_topics(bookless)
    with sender(bookless) as log:
        log.send(usage("acct_early", IDS()))
    with crew(bookless, tmp_path) as members:
        worker = members.start()
        eventually(lambda: "BookEmpty" in worker.output, why=lambda: worker.output)
        assert folded(bookless) == 0
        with Publisher(bookless) as publisher:
            publish_version(publisher, first_book(bookless.signing_key_id), bookless.signing_key())
        wait_until_projected(bookless)
        assert folded(bookless) == 1
        assert worker.alive


def test_a_topic_with_another_number_of_partitions_is_refused(
    used: Settings, tmp_path: Path, views: psycopg.Connection[Any]
) -> None:
    views.execute("UPDATE records.topics SET partitions = 5 WHERE partitions = 4")
    try:
        with refusing(used, tmp_path) as worker:
            assert worker.wait() != 0
            assert "A topic is not the one that this ledger was built on" in worker.output
            assert f"{used.topic_prefix}ledger.events" in worker.output
    finally:
        views.execute("UPDATE records.topics SET partitions = 4 WHERE partitions = 5")


def test_empty_views_beside_a_log_that_was_folded_are_refused(
    used: Settings, tmp_path: Path, views: psycopg.Connection[Any]
) -> None:
    saved = views.execute("DELETE FROM views.progress RETURNING partition, next_offset, last_offset, last_record")
    rows = saved.fetchall()
    try:
        with refusing(used, tmp_path) as worker:
            assert worker.wait() != 0
            assert "The views are empty" in worker.output
            assert "ledger rebuild" in worker.output
    finally:
        statement = (
            "INSERT INTO views.progress (partition, next_offset, last_offset, last_record) VALUES (%s, %s, %s, %s)"
        )
        views.cursor().executemany(statement, rows)


def test_a_database_without_the_views_is_refused(
    used: Settings, tmp_path: Path, views: psycopg.Connection[Any]
) -> None:
    views.execute("ALTER SCHEMA views RENAME TO views_away")
    try:
        with refusing(used, tmp_path) as worker:
            assert worker.wait() != 0
            assert "run `ledger migrate`" in worker.output
    finally:
        views.execute("ALTER SCHEMA views_away RENAME TO views")


@pytest.mark.parametrize(
    ("tampering", "words"),
    [
        ("last_record = repeat('0', 32)", "another record is at offset"),
        ("next_offset = next_offset + 1000", "it lost its tail"),
    ],
    ids=["another last record", "a lost tail"],
)
def test_a_log_that_is_not_the_one_that_was_folded_ends_the_worker(
    used: Settings, tmp_path: Path, views: psycopg.Connection[Any], tampering: str, words: str
) -> None:
    query = "SELECT next_offset, last_record, partition FROM views.progress WHERE next_offset > 0 LIMIT 1"
    row = views.execute(query).fetchone()
    assert row
    views.execute(f"UPDATE views.progress SET {tampering} WHERE partition = %s", [row[2]])  # type: ignore[arg-type]
    try:
        with refusing(used, tmp_path) as worker:
            assert worker.wait() == EXIT_REFUSED
            assert words in worker.output
            assert "Restore the broker's data, or put back what it lost: `ledger recover`" in worker.output
    finally:
        views.execute("UPDATE views.progress SET next_offset = %s, last_record = %s WHERE partition = %s", row)


def test_a_worker_without_its_signing_key_names_the_setting(settings: Settings, tmp_path: Path) -> None:
    with refusing(settings.model_copy(update={"signing_key_id": "nobody"}), tmp_path) as worker:
        assert worker.wait() != 0
        assert "LEDGER_SIGNING_KEY_ID" in worker.output
