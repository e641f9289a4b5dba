"""A record whose data Postgres refuses is found among all others of its batch and becomes a dead letter, alone.

No such record is known; so a column is made narrower than the language allows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.settings import Settings
from tests.support.events import Event, Ids, sender, usage
from tests.support.expected import charge
from tests.support.workers import crew, wait_until_projected

IDS = Ids(4)
LONG = "a-model-with-a-long-name"


@pytest.fixture
def views(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        connection.execute("ALTER TABLE views.entries ALTER COLUMN model TYPE varchar(10)")
        yield connection


def project(settings: Settings, folder: Path, *events: Event) -> None:
    """One worker, for whom all of this is on the log already when it starts: a single batch."""
    with sender(settings) as log:
        log.send(*events)
    with crew(settings, folder) as members:
        worker = members.start()
        wait_until_projected(settings)
        assert worker.stop() == 0, worker.output


def balance_of(views: psycopg.Connection[Any], account: str) -> int:
    row = views.execute("SELECT balance FROM views.balances WHERE account_id = %s", [account]).fetchone()
    assert row
    return int(row[0])


def dead_letters_of(views: psycopg.Connection[Any]) -> dict[str, int]:
    """Codes of dead letters, and how many; they are taken away so that the next test has none."""
    found = views.execute("DELETE FROM views.dead_letters RETURNING code, reason").fetchall()
    assert all("value too long for type character varying(10)" in reason for _, reason in found)
    return {code: [other for other, _ in found].count(code) for code, _ in found}


def test_each_such_record_is_a_dead_letter_and_all_others_of_its_batch_are_posted(
    settings: Settings, tmp_path: Path, views: psycopg.Connection[Any]
) -> None:
    several = [usage("acct_1", IDS(), "0.01", model=LONG if number % 40 == 0 else "short") for number in range(200)]
    only_one = [usage("acct_2", IDS(), "0.01", model=LONG if number == 333 else "short") for number in range(501)]
    project(settings, tmp_path, *several, *only_one)
    assert balance_of(views, "acct_1") == -195 * charge("0.01")
    assert balance_of(views, "acct_2") == -500 * charge("0.01")
    assert dead_letters_of(views) == {"refused_by_database": 6}


def test_it_is_found_behind_repeated_events_too(
    settings: Settings, tmp_path: Path, views: psycopg.Connection[Any]
) -> None:
    """Postgres complains of the repeated ids first, and of the data only when these are left out."""
    known = [usage("acct_3", IDS(), "0.01") for _ in range(10)]
    project(settings, tmp_path, *known)
    fresh = [usage("acct_3", IDS(), "0.01") for _ in range(3000)]
    (tmp_path / "second").mkdir()
    project(settings, tmp_path / "second", *known, *fresh, usage("acct_3", IDS(), model=LONG), usage("acct_3", IDS()))
    assert balance_of(views, "acct_3") == -3011 * charge("0.01")
    assert dead_letters_of(views) == {"refused_by_database": 1}
