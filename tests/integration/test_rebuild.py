"""A rebuild folds the log to the very bytes that stood before, says nothing twice, and finds what was tampered with."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka import TopicPartition

from ledger.dev.first_book import first_book
from ledger.postgres.release import ViewsOutdated
from ledger.records import rebuilds
from ledger.records.migrate import migrate
from ledger.settings import Settings
from schemas.topics import TOPICS
from tests.support.books import publish_in_force
from tests.support.events import Event, Ids, event, json_bytes, policy, purchase, sender, usage
from tests.support.expected import home_of
from tests.support.load import load
from tests.support.programs import Program, environment, ledger
from tests.support.waiting import eventually
from tests.support.workers import Worker, crew, folded, log_reader, wait_until_projected

SEED = 31
IDS = Ids(SEED + 1)
EVENTS_BEFORE, EVENTS_AFTER = 8_000, 4_000


def story(number: int) -> list[Event]:
    """A customer with money that comes, goes back and is disputed, and a card that is declined in the end."""
    account, paid = f"story_{number}", f"pur_story_{number}"
    money = {"currency": "USD", "amount_minor": 500}
    refund = {"purchase_id": paid, "provider_refund_id": f"re_{number}", "credits": "5", "charged": money}
    outcome = "won" if number % 2 else "lost"
    return [
        purchase(account, IDS(), "50", paid),
        event("trace.recorded", account, {"trace_id": "t", "count": 3 + number}, IDS()),
        event("credits.refunded", account, refund, IDS()),
        event("dispute.opened", account, {"purchase_id": paid, "credits": "10"}, IDS()),
        event("credits.adjusted", account, {"amount": "-0.5", "reason_code": "goodwill", "actor_id": "op_1"}, IDS()),
        policy(account, IDS(), "30", "20"),
        usage(account, IDS(), "9.5"),
        event("dispute.closed", account, {"purchase_id": paid, "outcome": outcome}, IDS()),
        event("credits.refunded", account, refund | {"credits": "45"}, IDS()),  # more than is left: a dead letter
    ]


def send_bad_records(settings: Settings) -> None:
    """One of each kind that becomes a dead letter, and one that is misplaced although its entry is at home already."""
    account = next(name for n in range(100) if home_of(name := f"bad_{n}", settings.event_partitions) == 3)
    known = usage(account, IDS())
    with sender(settings) as log:
        log.append(b"{", b"bad")
        log.append(json_bytes(purchase("bad", IDS(), "5")), b"bad")
        log.append(json_bytes(usage("bad", IDS())), b"another key")
        log.send(usage("bad", IDS(), cost=None, model="unheard-of"), known, usage(account, known["id"], "0.5"))
    wait_until_projected(settings)
    with sender(settings) as log:
        log.append(json_bytes(known), account.encode(), partition=0)


@pytest.fixture(scope="module")
def used(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A ledger with some 12,000 events under two versions of the book, folded by workers that have stopped."""
    events = load(SEED, accounts=200)
    with sender(settings) as log, sender(settings, partitioner="consistent_random") as foreign:
        log.send(*islice(events, EVENTS_BEFORE), *(each for number in range(20) for each in story(number)))
        log.acknowledged()
        foreign.send(*islice(events, 500))
    second = first_book(settings.signing_key_id).model_copy(update={"version": 2, "trace_price": "0.07"})
    publish_in_force(settings, second)
    with crew(settings, tmp_path_factory.mktemp("workers")) as members:
        members.start(), members.start()
        send_bad_records(settings)
        with sender(settings) as log:
            log.send(*islice(events, EVENTS_AFTER), *(each for number in range(20, 40) for each in story(number)))
        wait_until_projected(settings)
        assert [worker.stop() for worker in members.all] == [0, 0]
    return settings


@pytest.fixture
def views(used: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(used.database, autocommit=True) as connection:
        yield connection


def rebuilt(settings: Settings) -> tuple[int, dict[str, Any], str]:
    """Runs `ledger rebuild`: the exit code, the last line's JSON, and what it prints on stderr."""
    done = ledger(settings, "rebuild", "--yes", "--json")
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def ends(settings: Settings) -> dict[tuple[str, int], int]:
    """Where every partition of every topic ends."""
    places = [
        TopicPartition(settings.topic(topic.name), number)
        for topic in TOPICS
        for number in range(topic.partitions or settings.event_partitions)
    ]
    with log_reader(settings) as reader:
        return {(place.topic, place.partition): end for place, end in reader.end_offsets(places).items()}


def standing(views: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """All that is in the views, table by table, but when it was last looked at."""
    queries = {
        "entries": "SELECT * FROM views.entries ORDER BY partition, log_offset",
        "balances": "SELECT * FROM views.balances ORDER BY account_id",
        "accounts": "SELECT * FROM views.accounts ORDER BY account_id",
        "purchases": "SELECT * FROM views.purchases ORDER BY account_id, purchase_id",
        "usage_days": "SELECT * FROM views.usage_days ORDER BY account_id, day, provider, model, api_key_id",
        "record_counts": "SELECT * FROM views.record_counts ORDER BY partition, type, outcome",
        "dead_letters": "SELECT * FROM views.dead_letters ORDER BY topic, partition, log_offset",
        "progress": "SELECT partition, next_offset, last_offset, last_record FROM views.progress ORDER BY partition",
    }
    return {table: views.execute(query.encode()).fetchall() for table, query in queries.items()}


def one(views: psycopg.Connection[Any], query: str) -> Any:
    row = views.execute(query.encode()).fetchone()
    assert row
    return row[0]


def test_a_rebuild_gives_every_account_the_same_bytes_and_says_nothing_again(
    used: Settings, views: psycopg.Connection[Any], tmp_path: Path
) -> None:
    outcomes = dict(
        views.execute("SELECT outcome, sum(records)::int FROM views.record_counts GROUP BY outcome").fetchall()
    )
    assert min(outcomes[each] for each in ("posted", "duplicate", "dead_letter", "forwarded")) >= 20, outcomes
    assert one(views, "SELECT count(DISTINCT book_version) FROM views.entries") == 2
    assert one(views, "SELECT count(*) FROM records.outbox WHERE topic = 'ledger.topups'") > 100
    before, ended_at = standing(views), ends(used)
    code, result, said = rebuilt(used)
    assert code == 0, said
    assert result["different"] == result["emitted"] == 0
    assert result["equal"] == result["accounts"] == len(before["balances"])
    assert result["records"] == sum(row[1] for row in before["progress"])
    after = standing(views)
    assert [table for table in before if before[table] != after[table]] == []
    with crew(used, tmp_path) as members:
        worker = members.start()
        wait_until_projected(used)
        with sender(used) as log:
            log.send(usage("acct_new", IDS()))
        wait_until_projected(used)
        assert worker.stop() == 0
    assert sum(ends(used).values()) == sum(ended_at.values()) + 1


def test_a_rebuild_folds_as_far_as_was_folded_and_workers_go_on_from_there(
    used: Settings, views: psycopg.Connection[Any], tmp_path: Path
) -> None:
    with sender(used) as log:
        log.send(*(usage(f"later_{number}", IDS()) for number in range(50)))
    before = standing(views)
    code, result, said = rebuilt(used)
    assert (code, result["different"]) == (0, 0), said
    assert standing(views) == before
    with crew(used, tmp_path) as members:
        worker = members.start()
        wait_until_projected(used)
        assert worker.stop() == 0  # and leaves its group, in which Kafka would keep a killed one for a while
    assert one(views, "SELECT count(*) FROM views.balances WHERE account_id LIKE 'later_%'") == 50


def test_what_was_tampered_with_is_named_and_made_right(used: Settings, views: psycopg.Connection[Any]) -> None:
    before = standing(views)
    changed = [f"load_{SEED}_{number}" for number in range(3)]
    views.execute("UPDATE views.balances SET balance = balance + 1 WHERE account_id = %s", [changed[0]])
    one_of = "SELECT event_id FROM views.entries WHERE account_id = %s AND seq = 7"
    views.execute(f"UPDATE views.entries SET amount = amount + 1 WHERE event_id = ({one_of})", [changed[1]])
    views.execute(f"DELETE FROM views.entries WHERE event_id = ({one_of})", [changed[2]])
    code, result, said = rebuilt(used)
    assert (code, result["different"]) == (1, 3), said
    assert f"{changed[0]}: balances: balance\n" in said
    assert f"{changed[1]}: entries: amount\n" in said
    rows = one(views, f"SELECT count(*) FROM views.entries WHERE account_id = '{changed[2]}'")
    assert f"{changed[2]}: entries: {rows - 1} rows before, {rows} now\n" in said
    assert standing(views) == before
    assert rebuilt(used)[0] == 0


def kill_in_the_middle(settings: Settings, records: int) -> None:
    """Kills rebuilds with SIGKILL until one of them was in the middle of the fold."""

    def killed() -> bool:
        run = Program("-m", "ledger.cli", "rebuild", "--yes", environment=environment(settings))
        try:
            eventually(lambda: run.poll() is not None or 0 < noted(settings) < records)
            return run.poll() is None
        finally:
            run.kill()
            run.wait(10)

    eventually(killed, 120)


def noted(settings: Settings) -> int:
    """How many records are folded while a rebuild is unfinished; 0 before it has begun."""
    with psycopg.connect(settings.database) as connection:
        begun = connection.execute("SELECT 1 FROM records.rebuilds WHERE finished_at IS NULL").fetchone()
    return folded(settings) if begun else 0


def test_a_rebuild_that_was_killed_goes_on_and_still_compares_with_what_stood_before_it(
    used: Settings, views: psycopg.Connection[Any], tmp_path: Path
) -> None:
    before, ended_at = standing(views), ends(used)
    account = f"load_{SEED}_5"
    views.execute("UPDATE views.balances SET level = 'tampered' WHERE account_id = %s", [account])
    kill_in_the_middle(used, sum(row[1] for row in before["progress"]))
    with crew(used, tmp_path) as members:
        worker = members.start()
        eventually(lambda: not worker.alive, why=lambda: worker.output)
        assert worker.wait() != 0
        assert "half-built" in worker.output
        assert "`ledger rebuild`" in worker.output
    code, result, said = rebuilt(used)
    assert (code, result["different"], result["emitted"]) == (1, 1, 0), said
    assert f"{account}: balances: level\n" in said
    assert standing(views) == before
    assert ends(used) == ended_at


def waits(worker: Worker) -> bool:
    return "The views are being rebuilt" in worker.output


def test_a_worker_that_is_started_meanwhile_waits(
    used: Settings, views: psycopg.Connection[Any], tmp_path: Path
) -> None:
    with crew(used, tmp_path) as members:
        with rebuilds.exclusive(used.database):
            with sender(used) as log:
                log.send(usage("acct_waiting", IDS()))
            before, worker = folded(used), members.start()
            eventually(lambda: waits(worker), why=lambda: worker.output)
            time.sleep(3)
            assert folded(used) == before
        wait_until_projected(used)
        assert folded(used) == before + 1
        assert worker.stop() == 0


def test_a_rebuild_beside_a_worker_is_refused_and_names_it(
    used: Settings, views: psycopg.Connection[Any], tmp_path: Path
) -> None:
    before = standing(views)
    with crew(used, tmp_path) as members:
        worker = members.start()
        eventually(lambda: sum(members.assignments().values()) == used.event_partitions)
        member = next(iter(members.assignments()))
        code, _, said = rebuilt(used)
        assert worker.stop() == 0
    assert code == 1
    assert "Projectors are running; stop them first" in said
    assert member in said
    assert standing(views) == before


def test_a_rebuild_waits_until_kafka_has_forgotten_a_worker_that_was_killed(used: Settings, tmp_path: Path) -> None:
    with crew(used, tmp_path) as members:
        worker = members.start()
        eventually(lambda: sum(members.assignments().values()) == used.event_partitions)
        worker.kill()
        assert members.assignments()
        code, result, said = rebuilt(used)
    assert (code, result.get("different")) == (0, 0), said


def test_a_rebuild_beside_a_writer_that_kafka_has_forgotten_is_refused_and_names_it(
    used: Settings, views: psycopg.Connection[Any], tmp_path: Path
) -> None:
    with crew(used, tmp_path) as members:
        worker = members.start()
        with sender(used) as log:
            log.send(usage("acct_remembered", IDS()))
        wait_until_projected(used)
        worker.pause()
        eventually(lambda: not members.assignments(), 60)
        code, _, said = rebuilt(used)
    assert code == 1
    assert "Somebody writes the views" in said
    assert "ledger-projector (process" in said


def test_columns_that_another_version_did_not_have_are_not_compared(
    used: Settings, views: psycopg.Connection[Any]
) -> None:
    views.execute("ALTER TABLE views.accounts DROP COLUMN open_disputes")
    views.execute("ALTER TABLE views.entries ADD COLUMN shoe_size integer")
    views.execute("UPDATE records.migrations SET checksum = 'of before' WHERE name = 'views'")
    with pytest.raises(ViewsOutdated, match="ledger rebuild"):
        migrate(used.database)
    code, result, said = rebuilt(used)
    assert (code, result["different"]) == (0, 0), said
    assert (
        "Not compared, because only the old or only the new views have them: accounts.open_disputes, entries.shoe_size"
        in said
    )
    assert migrate(used.database) == []


def test_views_that_were_lost_are_folded_again(used: Settings, views: psycopg.Connection[Any]) -> None:
    before, ended_at = standing(views), ends(used)
    views.execute("DROP SCHEMA views CASCADE")
    code, result, said = rebuilt(used)
    assert (code, result["equal"], result["emitted"]) == (0, 0, 0), said
    assert "there were no views before" in said
    assert standing(views) == before
    assert ends(used) == ended_at
