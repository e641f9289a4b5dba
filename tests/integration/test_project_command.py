"""`ledger project --workers N` and the small commands, as processes against a real stack."""

import json
import os
import signal
import time

import psutil
import psycopg

from ledger.bench.event_load import EventLoad
from ledger.dev.child_processes import environment_of
from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.programs import Program, ledger

PATIENCE_SECONDS = 60


def publish(settings: Settings, load: EventLoad, count: int) -> None:
    with Publisher(settings) as publisher:
        for append in [publisher.append(EVENTS, made.account.encode(), made.value) for made in load.make(count)]:
            append.position()


def wait_for_entries(settings: Settings, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(settings.database, autocommit=True) as connection:
        while (found := connection.execute("SELECT count(*) FROM views.entries").fetchone()) != (count,):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)


def workers_of(supervisor: psutil.Process) -> list[psutil.Process]:
    """The processes that fold, without those that watch over them."""
    return [each for each in supervisor.children(recursive=True) if _command_of(each)[-1:] == ["project"]]


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def wait_for_workers(supervisor: psutil.Process, count: int) -> list[psutil.Process]:
    """Waits for `count` workers: the other one may have folded everything before the killed one is back."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found := workers_of(supervisor)) != count:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def test_two_workers_project_one_is_killed_and_runs_again_and_sigterm_ends_all(settings: Settings) -> None:
    load = EventLoad(seed=7, accounts=20)
    command = ["-m", "ledger.cli", "project", "--workers", "2"]
    with Program(*command, environment=environment_of(settings), own_group=True) as process:
        try:
            supervisor = psutil.Process(process.pid)
            publish(settings, load, 300)
            wait_for_entries(settings, 300)
            first = wait_for_workers(supervisor, 2)
            first[0].kill()
            first[0].wait(10)
            publish(settings, load, 300)
            wait_for_entries(settings, 600)
            assert first[1] in wait_for_workers(supervisor, 2)
            everybody = supervisor.children(recursive=True)
            os.killpg(process.pid, signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
    _gone, alive = psutil.wait_procs(everybody, timeout=10)
    assert not alive
    with psycopg.connect(settings.database) as connection:
        assert dict(connection.execute("SELECT account_id, balance FROM views.balances").fetchall()) == load.expected


def test_the_trial_balance_of_what_was_projected_is_zero(settings: Settings) -> None:
    found = json.loads(ledger(settings, "trial-balance", "--json").stdout)
    assert found["balanced"]
    assert [line["account"] for line in found["data"]] == ["customer_credits", "markup", "provider_cost"]


def test_migrating_again_does_nothing(settings: Settings) -> None:
    assert json.loads(ledger(settings, "migrate", "--json").stdout) == {"ran": []}


def test_the_topics_are_those_of_the_table(settings: Settings) -> None:
    found = json.loads(ledger(settings, "topics", "--create", "--json").stdout)["data"]
    assert (found[0]["name"], found[0]["partitions"]) == (settings.topic(EVENTS), 4)
    assert not any(line["created"] for line in found)


def test_a_new_key_is_printed_once_and_kept_as_a_hash(settings: Settings) -> None:
    made = json.loads(ledger(settings, "keys", "create", "--scope", "accounts:read", "--json").stdout)
    with psycopg.connect(settings.database) as connection:
        stored = connection.execute("SELECT * FROM records.api_keys WHERE key_id = %s", (made["key_id"],)).fetchone()
    assert stored is not None
    assert made["key"].removeprefix("lk_") not in str(stored)


def test_what_goes_wrong_is_said_in_words(settings: Settings) -> None:
    failed = ledger(settings, "keys", "create", "--scope", "everything")
    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: There is no such scope: everything; there are usage:write, ")
    assert failed.stderr.count("\n") == 1
