"""What a log has lost is put back from Postgres: the same accounts, nothing twice, and no view is dropped first."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from ledger.dev.bootstrap import bootstrap
from ledger.dev.first_book import first_book
from ledger.dev.stack import Stack
from ledger.log.book import BookLost, BookNotReadable, published, withdrawn
from ledger.log.book_history import read_history
from ledger.log.topics import TopicChanged, create_topics
from ledger.records import fact_positions
from ledger.settings import Settings
from ledger.views import accepted_events
from ledger.views.lost_entries import SecretsDiffer
from projectors.rebuild import LogLacks, rebuild
from projectors.recover import Recovered, recover
from projectors.recovery_plan import RecoveryPlan
from schemas.book import BookVersion, KeyValidity
from schemas.examples import story
from schemas.fields import json_of
from schemas.topics import BOOK, DEAD_LETTERS, EVENTS, TOP_UPS, TOPICS
from tests.support.books import append_a_minute_ago
from tests.support.events import Event, Ids, event, json_bytes, policy, purchase, sender, usage
from tests.support.ledgers import new_ledger, temporary_stack
from tests.support.waiting import eventually
from tests.support.workers import crew, records_of, wait_until_projected

EXIT_REFUSED = 78
FACTS = ("credits.purchased", "credits.refunded")
SLOW = bool(os.environ.get("LEDGER_SLOW"))
IDS = Ids(41)
SECRETS = {"test-1": "a secret of the tests only", "test-2": "another secret of the tests only"}
TABLES = {
    "entries": "account_id, seq",
    "balances": "account_id",
    "accounts": "account_id",
    "purchases": "account_id, purchase_id",
    "usage_days": "account_id, day, provider, model, api_key_id",
}


class Quiet:
    """Looks at nothing."""

    def begin(self, stage: str, total: int | None) -> None: ...

    def reach(self, done: int) -> None: ...


class Killed(Exception):
    """The process is gone."""


class KilledIn:
    """Ends the run in the middle of one of its stages."""

    def __init__(self, stage: str) -> None:
        self._stage, self._now = stage, ""

    def begin(self, stage: str, total: int | None) -> None:
        self._now = stage

    def reach(self, done: int) -> None:
        if done and self._now == self._stage:
            raise Killed


class Ledger:
    """One ledger on a broker that loses things."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.settings = new_ledger(stack, signing_keys=SECRETS)
        bootstrap(self.settings)

    def happens(self, *events: Event) -> None:
        """Appends events and folds them, by a worker that then stops."""
        with crew(self.settings, self.folder) as members:
            worker = members.start()
            with sender(self.settings) as log:
                log.send(*events)
            wait_until_projected(self.settings, 120)
            assert worker.stop() == 0, worker.output

    def refused(self) -> str:
        """What a worker says that must not fold this log."""
        with crew(self.settings, self.folder) as members:
            worker = members.start()
            eventually(lambda: not worker.alive, why=lambda: worker.output)
            assert worker.wait() in (1, EXIT_REFUSED)  # 1: whatever `run` raises
            return worker.output

    def standing(self) -> dict[str, list[Any]]:
        """All that the accounts have, but where on the log it is."""
        with psycopg.connect(self.settings.database) as connection:
            return {table: self._rows(connection, table, order) for table, order in TABLES.items()}

    @staticmethod
    def _rows(connection: psycopg.Connection[Any], table: str, order: str) -> list[Any]:
        query = (
            f"SELECT to_jsonb(t) - 'log_offset' FROM views.{table} t WHERE account_id <> 'ledger:log' ORDER BY {order}"
        )
        return [row for (row,) in connection.execute(query.encode())]

    def one(self, query: str) -> Any:
        with psycopg.connect(self.settings.database) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row
        return row[0]

    def make_anew(self, *names: str) -> None:
        """These topics are deleted, and made again empty."""
        kafka = AdminClient({"bootstrap.servers": self.settings.kafka, "log_level": 0})
        for future in kafka.delete_topics([self.settings.topic(name) for name in names]).values():
            future.result()
        full = {self.settings.topic(name) for name in names}
        eventually(lambda: not full & set(kafka.list_topics(timeout=10).topics))
        create_topics(self.settings)

    def recovered(self, **changes: Any) -> tuple[RecoveryPlan, Recovered]:
        """All that was missing, and what was done."""
        seen: list[RecoveryPlan] = []
        done = recover(self.settings.model_copy(update=changes), Quiet(), seen.append)
        assert done is not None
        return seen[0], done

    def consumer_reads_half(self) -> list[str]:
        """A consumer of facts stops in the middle of each partition; the facts that it has yet to see."""
        with psycopg.connect(self.settings.database) as connection:
            connection.execute("DELETE FROM records.fact_positions")
            connection.execute(
                "INSERT INTO records.fact_positions SELECT 'test', partition, "
                "percentile_disc(0.5) WITHIN GROUP (ORDER BY log_offset) "
                "FROM views.entries WHERE type LIKE 'credits.%%' GROUP BY partition"
            )
        return self.facts_to_see()

    def facts_to_see(self) -> list[str]:
        with psycopg.connect(self.settings.database) as connection:
            return [
                fact.event_id
                for partition in accepted_events.partitions(connection)
                for fact in accepted_events.after(
                    connection, partition, self._position(connection, partition), FACTS, 1000
                )
            ]

    @staticmethod
    def _position(connection: psycopg.Connection[Any], partition: int) -> int:
        with connection.transaction():
            return fact_positions.lock(connection, "test", partition)

    def published(self, topic: str) -> set[str]:
        """The ids of the messages on a topic, none of which is there twice."""
        records = records_of(self.settings, topic, 1 if topic == DEAD_LETTERS else self.settings.event_partitions)
        ids = [json.loads(record.value)["id"] for record in records]
        assert len(ids) == len(set(ids))
        return set(ids)


def everything(account: str) -> Iterator[Event]:
    """One of each type of event, and usage in every form that the language allows."""
    for each in story():
        if ":" not in each.subject:
            yield {**json.loads(json_of(each)), "subject": account, "id": IDS()}
    yield usage(account, IDS(), "0.0100", metadata={"zeta": "a\\b ü", "alpha": "1"}, api_key_id="key_1")
    yield {**usage(account, "the router's own id"), "source": "router/eu-1", "dataschema": "urn:usage:1", "shoe": "9"}
    yield {
        **usage(account, IDS(), None, units={"cache_read_tokens": 400, "cache_write_tokens": 7}),
        "time": "2026-11-21T10:00:00.123456+05:30",
    }
    # Postgres keeps the names of an object by their length: not in the order that content has.
    units = {"web_searches": 2, "cache_read_tokens": 400, "audio_seconds": "1.50", "input_audio_tokens": 0}
    served = {"speed": "fast", "processing": "batch", "region": "eu \\ ü"}
    yield usage(account, IDS(), None, units=units, attributes=served, own_key=True, extra_cost="0.0100")
    yield usage(account, IDS(), "0.0100", units={}, attributes={}, own_key=False, extra_cost="0")
    yield {**usage(account, IDS(), "0", authorization_id="auth_1"), "time": "9999-12-31T23:30:00-14:00"}
    yield event("trace.recorded", account, {"trace_id": "t", "count": 60}, IDS())


def money(account: str, number: int) -> list[Event]:
    """A purchase, auto top-up below 10, and usage that triggers it."""
    return [
        purchase(account, IDS(), "12", f"pur_{number}"),
        policy(account, IDS(), "10", "20"),
        usage(account, IDS(), "5"),
        event("credits.adjusted", account, {"amount": "-0.5", "reason_code": "goodwill", "actor_id": "op_1"}, IDS()),
    ]


def second_book(settings: Settings) -> BookVersion:
    """Another price, and a second key."""
    keys = tuple(KeyValidity(key_id=key_id) for key_id in SECRETS)
    changes = {"version": 2, "trace_price": "0.07", "signing_keys": keys}
    return first_book(settings.signing_key_id).model_copy(update=changes)


def bad(settings: Settings) -> None:
    """Records that become dead letters, a duplicate, one that is signed though it need not be, one misplaced."""
    twice = usage("acct_bad", IDS())
    signed = json_bytes(usage("acct_bad", IDS()))
    with sender(settings) as log:
        log.append(b"{", b"acct_bad")
        log.send(twice, twice, usage("acct_bad", IDS(), None, model="unheard-of"))
        log.append(signed, b"acct_bad", [log.signature(signed)])
        for partition in range(settings.event_partitions):
            log.append(json_bytes(usage("acct_misplaced", IDS())), b"acct_misplaced", partition=partition)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with temporary_stack() as mortal:
        yield Ledger(mortal, tmp_path_factory.mktemp("workers"))


def test_a_lost_tail_is_put_back_with_every_credit(ledger: Ledger) -> None:
    """The broker comes back with yesterday's disk; since then: purchases, an adjustment, usage, the book."""
    settings = ledger.settings
    bad(settings)
    ledger.happens(*everything("acct_1"), *money("acct_2", 2))
    ledger.stack.kafka.stop()
    data = Path(ledger.stack.kafka.folder) / "data"
    yesterday = data.with_name("yesterday")
    shutil.copytree(data, yesterday)
    ledger.stack.kafka.start()
    second = second_book(settings)
    for_later = second.model_copy(update={"version": 3, "effective_from": datetime.now(UTC) + timedelta(days=1)})
    append_a_minute_ago(settings, published(second), published(for_later), withdrawn(3))
    bad(settings)
    ledger.happens(
        *everything("acct_3"),
        *money("acct_4", 4),
        purchase("acct_1", IDS(), "70", "pur_late"),
        event("credits.adjusted", "acct_2", {"amount": "3", "reason_code": "goodwill", "actor_id": "op_1"}, IDS()),
        *(usage(f"acct_{number % 5}", IDS(), "0.001") for number in range(300)),
    )
    before, said = ledger.standing(), ledger.published(TOP_UPS)
    positions = "SELECT count(*) FROM views.entries"
    entries = ledger.one(positions)
    ledger.stack.kafka.kill()
    shutil.rmtree(data)
    yesterday.rename(data)
    ledger.stack.kafka.start()
    with pytest.raises(BookLost, match="ledger recover"):
        rebuild(settings, Quiet())
    missing, done = ledger.recovered()
    assert ledger.standing() == before
    assert (done.rebuilt and done.rebuilt.different) == 0
    assert [event.number for event in missing.book] == [2, 3, 4]
    assert read_history(settings).book.withdrawn == {3}
    assert missing.comparison.records == done.records > 300
    assert sum(loss.bought for loss in missing.comparison.losses) >= 82 * 10**9
    assert missing.dead_letters >= 2
    assert ledger.one(positions) == entries
    ledger.happens(usage("acct_1", IDS()))
    assert ledger.published(TOP_UPS) == said
    ledger.published(DEAD_LETTERS)
    assert recover(settings, Quiet(), pytest.fail) is None


def test_a_wrong_secret_is_no_loss(ledger: Ledger) -> None:
    """What it signed is there, but does not verify: to drop the views, or to append it once more, would be wrong."""
    other = ledger.settings.model_copy(update={"signing_key_id": "test-2"})
    late = purchase("acct_1", IDS(), "7", "pur_other_key")
    value = json_bytes(late)
    with sender(other) as log:
        log.append(value, b"acct_1", [log.signature(value)])
    ledger.happens()
    for key_id, refusal in (("test-1", BookNotReadable), ("test-2", SecretsDiffer)):
        wrong = {name: SecretStr("wrong" if name == key_id else secret) for name, secret in SECRETS.items()}
        with pytest.raises(refusal, match="LEDGER_SIGNING_KEYS"):
            recover(Settings(**(ledger.settings.model_dump() | {"signing_keys": wrong})), Quiet(), pytest.fail)


def test_a_rebuild_over_an_empty_log_touches_nothing_and_says_what_would_be_lost(ledger: Ledger) -> None:
    settings = ledger.settings
    before, records = ledger.standing(), ledger.one("SELECT count(*) FROM views.entries")
    ledger.make_anew(EVENTS)
    assert "ledger recover" in ledger.refused()
    with pytest.raises(TopicChanged, match="ledger recover"):
        rebuild(settings, Quiet())
    with psycopg.connect(settings.database) as connection:  # as if it were the same topic
        connection.execute("DELETE FROM records.topics")
    with pytest.raises(LogLacks) as refused:
        rebuild(settings, Quiet())
    assert f"--lose {records}`" in str(refused.value)
    assert "credits bought" in str(refused.value)
    with pytest.raises(LogLacks):
        rebuild(settings, Quiet(), lose=records - 1)
    assert ledger.standing() == before


def test_an_empty_cluster_is_filled_again_though_the_command_is_killed(ledger: Ledger) -> None:
    settings = ledger.settings
    before, said, to_see = ledger.standing(), ledger.published(TOP_UPS), ledger.consumer_reads_half()
    assert to_see
    ledger.make_anew(*(topic.name for topic in TOPICS))
    for stage in ("Appending to the log", *(["Reading the old views"] if SLOW else []), "Folding the log"):
        with pytest.raises(Killed):
            recover(settings, KilledIn(stage), lambda _: None)
    assert "half-built" in ledger.refused()
    _, done = ledger.recovered()
    assert (done.rebuilt and done.rebuilt.different) == 0
    assert ledger.standing() == before
    assert ledger.facts_to_see() == to_see
    ledger.happens(usage("acct_1", IDS()))
    assert ledger.published(TOP_UPS) == said


@pytest.mark.skipif(not SLOW, reason="LEDGER_SLOW=1: a recovery more")
def test_the_book_and_what_the_folds_said_are_put_back_alone(ledger: Ledger) -> None:
    """By the second key: the first version of the book accepts the first key only."""
    before, said = ledger.standing(), ledger.published(TOP_UPS)
    ledger.make_anew(BOOK, TOP_UPS)
    missing, done = ledger.recovered(signing_key_id="test-2")
    assert [event.number for event in missing.book] == [1, 2, 3, 4]
    assert (missing.comparison.records, missing.messages) == (0, {TOP_UPS: len(said)})
    assert (done.rebuilt and done.rebuilt.emitted) == len(said)
    assert ledger.standing() == before
    ledger.happens(usage("acct_1", IDS()))
    assert ledger.published(TOP_UPS) == said


@pytest.mark.skipif(not SLOW, reason="LEDGER_SLOW=1: a recovery more")
def test_who_wants_to_lose_it_says_how_much(ledger: Ledger) -> None:
    records = ledger.one("SELECT count(*) FROM views.entries")
    ledger.make_anew(EVENTS)
    with psycopg.connect(ledger.settings.database) as connection:
        connection.execute("DELETE FROM records.topics")
    rebuilt = rebuild(ledger.settings, Quiet(), lose=records)
    assert (rebuilt.equal, rebuilt.different) == (0, rebuilt.accounts)
    assert ledger.one("SELECT count(*) FROM views.entries") == 0
