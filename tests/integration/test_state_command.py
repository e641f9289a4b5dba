"""`ledger state`: the state of an account now and at any moment, folded again without the views."""

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.settings import Settings
from ledger.views.account_state import read_account_state
from projectors.past_state import Until, state_at
from schemas.money import format_nanos
from tests.support.events import Ids, json_bytes, sender, usage
from tests.support.expected import home_of
from tests.support.load import load
from tests.support.programs import ledger
from tests.support.servers import api, client, key
from tests.support.workers import crew, wait_until_projected

SEED = random.randrange(10**6)
IDS = Ids(SEED + 10**6)
ACCOUNT = f"load_{SEED}_0"  # buys, has a policy, and sends some of its events twice


class Silent:
    """Progress that is not shown."""

    def begin(self, stage: str, total: int | None) -> None: ...
    def reach(self, done: int) -> None: ...


@pytest.fixture(scope="module")
def used(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A ledger whose account has some hundred entries, duplicates, misplaced records and dead letters among them."""
    print(f"seed {SEED}")
    wrong = (home_of(ACCOUNT, settings.event_partitions) + 1) % settings.event_partitions
    reused = usage(ACCOUNT, IDS(), "0.125")
    with crew(settings, tmp_path_factory.mktemp("workers")) as members:
        members.start()
        with sender(settings) as log:
            for number in range(6):  # log times that differ
                log.send(
                    *islice(load(SEED + 1 + number), 300),
                    *islice(load(SEED, accounts=5), 100 * number, 100 * number + 100),
                )
                log.append(json_bytes(usage(ACCOUNT, IDS(), "0.25")), ACCOUNT.encode(), partition=wrong)
                log.send(reused, {**reused, "data": {**reused["data"], "provider_cost": f"0.{number + 2}"}})
                log.acknowledged()
                wait_until_projected(settings)
        assert members.all[0].stop() == 0
    return settings


@pytest.fixture
def views(used: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(used.database, autocommit=True) as connection:
        yield connection


def run(settings: Settings, *words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code of `ledger state`, its JSON, and what it said."""
    done = ledger(settings, "state", *words, "--json")
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def entries(views: psycopg.Connection[Any]) -> list[Any]:
    query = "SELECT log_time, log_offset, balance_after, seq FROM views.entries WHERE account_id = %s ORDER BY seq"
    return views.execute(query, [ACCOUNT]).fetchall()


def test_the_end_of_the_log_is_what_the_views_say(used: Settings, views: psycopg.Connection[Any]) -> None:
    with psycopg.connect(used.database) as connection:
        now = read_account_state(connection, ACCOUNT)
    then = state_at(used, ACCOUNT, Until(offset=now.next_offset - 1), Silent())
    assert then.account._replace(purchases={}) == now.account._replace(purchases={})
    assert then.last == now.last
    assert (then.partition, then.next_offset) == (now.partition, now.next_offset)
    duplicates = "SELECT count(*) FROM views.dead_letters WHERE account_id = %s AND code = 'id_reused'"
    assert views.execute(duplicates, [ACCOUNT]).fetchone() == (6,)


def test_the_balance_at_random_moments_is_that_of_the_last_entry_and_what_the_api_says(
    used: Settings, views: psycopg.Connection[Any], tmp_path: Path
) -> None:
    chance, lines = random.Random(SEED), entries(views)
    moments = {line[0] + timedelta(milliseconds=chance.choice((-1, 0, 1))) for line in chance.sample(lines, 12)}
    with api(used, tmp_path) as url, client(url, key(used)) as asking:
        for moment in moments:
            before = [line for line in lines if line[0] <= moment]
            if not before:
                continue
            found = state_at(used, ACCOUNT, Until(time_ms=int(moment.timestamp() * 1000)), Silent())
            assert (found.account.balance, found.account.seq) == before[-1][2:], moment
            answer = asking.get(f"/v1/accounts/{ACCOUNT}/balance", params={"at": moment.isoformat()}).json()
            assert answer["balance"] == format_nanos(found.account.balance)


def test_the_balance_at_random_offsets_is_that_of_the_last_entry(
    used: Settings, views: psycopg.Connection[Any]
) -> None:
    chance, lines = random.Random(SEED), entries(views)
    for offset in {lines[0][1], *(chance.randrange(lines[0][1], lines[-1][1] + 1) for _ in range(10))}:
        found = state_at(used, ACCOUNT, Until(offset=offset), Silent())
        assert (found.account.balance, found.account.seq) == [line for line in lines if line[1] <= offset][-1][2:]


def test_the_command_shows_the_same_with_and_without_a_moment(used: Settings) -> None:
    code, now, said = run(used, ACCOUNT)
    assert code == 0, said
    then = run(used, ACCOUNT, "--at", str(now["next_offset"] - 1))[1]
    assert then | {name: now[name] for name in ("as_of", "held", "available")} == now
    assert (now["held"], now["available"], then["held"]) == ("0", now["balance"], None)
    assert now["auto_top_up"]["enabled"] is True
    assert now["auto_top_up"]["threshold"] == "10"
    assert len(now["last_entries"]) == 10
    assert now["last_entries"][0]["balance_after"] == now["balance"]
    day = now["last_entries"][0]["time"][:10]
    assert run(used, ACCOUNT, "--at", day)[1]["balance"] == now["balance"]  # the end of that day


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nobody"], "no entry of this account"),
        (["nobody", "--at", "2026-01-01T00:00:00Z"], "no entry of this account"),
        ([ACCOUNT, "--at", "yesterday"], "--at: A time is"),
        ([ACCOUNT, "--at", "2026-01-01T00:00:00"], "--at: A time is"),
        ([ACCOUNT, "--at", "99999999"], "--at: The log does not reach this offset yet"),
    ],
)
def test_what_it_can_not_show_it_says(used: Settings, words: list[str], reason: str) -> None:
    code, _, said = run(used, *words)
    assert code == 1
    assert reason in said
