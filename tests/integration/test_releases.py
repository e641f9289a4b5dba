"""Two versions of the program on one database refuse each other by name, at the start and while they run."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from ledger.cli import app
from ledger.core.errors import EXIT_CONFIG, EXIT_FAILED
from ledger.dev.bootstrap import bootstrap
from ledger.dev.children import environment_of
from ledger.dev.stack import Stack
from ledger.dev.upgrade import bring_up_to_date
from ledger.records import migrate as migrating
from ledger.records import release
from ledger.records.migrate import migrate
from ledger.settings import Settings
from tests.integration.api_harness import api, client, eventually, key, usage
from tests.support.ledgers import new_ledger
from tests.support.load import load, publishing
from tests.support.workers import crew, folded, wait_until_projected

NEWER = "INSERT INTO records.migrations (name, checksum) VALUES ('9999_later.sql', 'x')"
OLDER = "DELETE FROM records.migrations WHERE name = '0035_releases.sql'"
REFOLDED = "UPDATE records.migrations SET checksum = 'another' WHERE name = 'views'"
CHANGED = "UPDATE records.migrations SET checksum = 'another' WHERE name = '0001_foundation.sql'"
GONE = "ALTER SCHEMA records RENAME TO gone"
WORDS = {
    NEWER: "The database is of a newer version; update this program: it has 9999_later.sql",
    OLDER: "The database is of an older version; run `ledger migrate`: it lacks 0035_releases.sql",
    REFOLDED: "The views were folded by another version of this program; run `ledger rebuild`",
    CHANGED: "A migration that ran is another one in this program",
    GONE: "The database lacks the ledger's tables; run `ledger migrate`",
}
SERVICES = [("project",), ("consume", "dead-letters"), ("serve",)]
COMMANDS = [
    ("topics",), ("state", "acct_1"), ("state", "acct_1", "--at", "0"), ("deadletters", "list"),
    ("deadletters", "show", "events/0/0"), ("recover", "--yes"), ("rebuild", "--yes"), ("migrate",),
    ("keys", "create"), ("keys", "list"), ("keys", "revoke", "no-key", "--yes"), ("report", "month", "2026-11"),
    ("trial-balance",), ("erase", "acct_1", "--yes"), ("buy", "acct_1", "10", "--provider", "stripe"),
]  # fmt: skip


@pytest.fixture(scope="module")
def own(stack: Stack) -> Settings:
    """A ledger of two partitions."""
    settings = new_ledger(stack, event_partitions=2)
    bootstrap(settings)
    return settings


@contextmanager
def of_another_release(settings: Settings, change: str) -> Iterator[None]:
    """The database as another version leaves it, until the block ends."""
    with psycopg.connect(settings.database, autocommit=True) as connection:
        rows = [] if change == GONE else connection.execute("SELECT name, checksum FROM records.migrations").fetchall()
        connection.execute(change)  # type: ignore[arg-type]
        try:
            yield
        finally:
            if change == GONE:
                connection.execute("ALTER SCHEMA gone RENAME TO records")
            else:
                connection.execute("DELETE FROM records.migrations")
                connection.cursor().executemany("INSERT INTO records.migrations (name, checksum) VALUES (%s, %s)", rows)


def ledger(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ledger.cli", *arguments]
    return subprocess.run(command, env=environment_of(settings), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("change", WORDS, ids=["newer", "older", "other views", "changed", "empty"])
def test_a_connection_to_a_database_of_another_release_is_refused_by_name(own: Settings, change: str) -> None:
    with of_another_release(own, change), pytest.raises(release.OtherRelease) as refused:
        release.connect(own.database)
    assert str(refused.value).startswith(WORDS[change])


@pytest.mark.parametrize("words", SERVICES, ids=" ".join)
def test_each_service_refuses_in_words_and_ends_with_78(own: Settings, words: tuple[str, ...]) -> None:
    with of_another_release(own, NEWER):
        ended = ledger(own, *words)
    assert ended.stderr.splitlines()[-1] == f"Error: {WORDS[NEWER]}"
    assert ended.returncode == EXIT_CONFIG


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_refuses_in_words(own: Settings, words: tuple[str, ...]) -> None:
    with of_another_release(own, NEWER):
        ended = CliRunner().invoke(app, words, env=environment_of(own))
    assert (ended.exit_code, ended.stderr) == (EXIT_FAILED, f"Error: {WORDS[NEWER]}\n")


def test_what_appends_to_the_log_refuses_in_the_same_words(own: Settings) -> None:
    run, env = CliRunner().invoke, environment_of(own)
    book = {**json.loads(run(app, ["book", "show", "--json"], env=env).stdout), "version": 2}
    with of_another_release(own, NEWER):
        published = run(app, ["publish"], input=json.dumps(usage("acct_1")), env=env)
        priced = run(app, ["book", "publish", "-", "--yes"], input=json.dumps(book), env=env)
    for ended in (published, priced):
        assert (ended.exit_code, ended.stderr) == (EXIT_FAILED, f"Error: {WORDS[NEWER]}\n")


@pytest.mark.parametrize("how", ["--dry-run", "--yes"])
def test_recover_does_not_migrate_a_database_of_before(own: Settings, how: str) -> None:
    with of_another_release(own, OLDER):
        ended = CliRunner().invoke(app, ["recover", how], env=environment_of(own))
        assert (ended.exit_code, ended.stderr) == (EXIT_FAILED, f"Error: {WORDS[OLDER]}\n")
        with psycopg.connect(own.database) as connection, pytest.raises(release.DatabaseOlder):
            release.check(connection)


def test_the_topics_of_a_new_version_can_be_made_before_its_views(own: Settings) -> None:
    with of_another_release(own, REFOLDED):
        ended = CliRunner().invoke(app, ["topics", "--create"], env=environment_of(own))
    assert (ended.exit_code, ended.stderr) == (0, "")


def test_a_home_of_another_version_is_folded_again_at_its_start(own: Settings) -> None:
    shown = io.StringIO()
    with of_another_release(own, REFOLDED):
        bring_up_to_date(own, Console(file=shown))
        release.connect(own.database).close()
    assert "Folding the log" in shown.getvalue()


def test_workers_that_refuse_end_their_supervisor_which_starts_none_again(own: Settings) -> None:
    with of_another_release(own, REFOLDED):
        ended = ledger(own, "project", "--workers", "2")
    assert ended.returncode == EXIT_CONFIG
    assert 1 <= ended.stderr.count(WORDS[REFOLDED]) <= 2
    assert "starts again" not in ended.stderr


def test_a_worker_that_runs_ends_before_it_folds_into_another_release(own: Settings, tmp_path: Path) -> None:
    with crew(own, tmp_path) as members:
        worker = members.start()
        with publishing(own, load(4), per_second=200, at_least=1):
            eventually(lambda: folded(own) > 0)
            with of_another_release(own, NEWER):
                before = folded(own)
                assert worker.wait() == EXIT_CONFIG
                assert folded(own) == before
        assert WORDS[NEWER] in worker.output
        members.start()
        wait_until_projected(own)


def test_an_api_that_runs_says_so_until_the_database_fits_again(own: Settings, tmp_path: Path) -> None:
    with api(own, tmp_path) as url, client(url, key(own)) as http:
        eventually(lambda: http.get("/readyz").json()["parts"]["postgres"]["ready"])
        with of_another_release(own, REFOLDED):
            part = eventually(lambda: not (said := http.get("/readyz").json()["parts"]["postgres"])["ready"] and said)
            assert part["reason"] == WORDS[REFOLDED]
            for answer in (
                http.post("/v1/authorizations", json={"account_id": "acct_1", "amount": "0.01"}),
                http.get("/v1/accounts/acct_1/balance"),
                http.post("/v1/usage", json=usage("acct_1")),
            ):
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "views_outdated"), answer.text
        eventually(lambda: http.get("/readyz").json()["parts"]["postgres"]["ready"])


def test_a_migration_keeps_waiting_whoever_looks_until_it_has_ended(own: Settings) -> None:
    with psycopg.connect(own.database) as migration, psycopg.connect(own.database) as writer:
        writer.execute("SET lock_timeout = '100ms'")
        migrating.migrate_records(migration)  # nothing to run: nobody waits
        release.check(writer)
        writer.rollback()
        migration.rollback()
        writer.execute("SET lock_timeout = '100ms'")
        migration.execute(OLDER)
        migration.execute("ALTER TABLE records.api_keys RENAME COLUMN secret_hash TO key_hash")
        assert migrating.migrate_records(migration) == ["0035_releases.sql"]
        with pytest.raises(psycopg.errors.LockNotAvailable):
            release.check(writer)


def test_comments_spaces_and_indexes_are_no_other_version(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version_of(release._statements(), monkeypatch)
    text = "\n".join(f"{statement.replace('(', ' (  ')};" for statement in release._statements())
    written = version_of([" ".join(part.split()) for part in text.split(";") if part.strip()], monkeypatch)
    more = version_of([*release._statements(), "CREATE INDEX later ON views.entries (log_time)"], monkeypatch)
    assert before == written == more
    changed = [statement.replace("bigint NOT NULL", "bigint", 1) for statement in release._statements()]
    assert version_of(changed, monkeypatch) != before


def version_of(statements: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(release, "_statements", lambda: statements)
        for cached in (release.views_statements, release.views_indexes, release.views_version):
            cached.cache_clear()
        found = release.views_version()
    for cached in (release.views_statements, release.views_indexes, release.views_version):
        cached.cache_clear()
    return found


INDEXES = "SELECT indexname FROM pg_indexes WHERE schemaname = 'views'"


def test_migrate_makes_the_indexes_that_lack_and_drops_those_that_are_gone(own: Settings) -> None:
    with psycopg.connect(own.database, autocommit=True) as connection:
        before = set(connection.execute(INDEXES).fetchall())
        assert migrate(own.database) == []
        connection.execute("DROP INDEX views.entries_money")
        connection.execute("CREATE INDEX of_before ON views.entries (log_time)")
        connection.execute("COMMENT ON INDEX views.entries_time IS 'as it was made before'")
        assert migrate(own.database) == ["entries_money", "entries_time", "of_before"]
        assert set(connection.execute(INDEXES).fetchall()) == before
    assert migrate(own.database) == []


def test_the_program_says_its_versions() -> None:
    said = ledger(Settings(), "--version").stdout
    assert said.splitlines()[0].startswith("ledger ")
    assert f"views {release.views_version()}\n" in said
    assert f"records {max(release.migrations()).removesuffix('.sql')}\n" in said
