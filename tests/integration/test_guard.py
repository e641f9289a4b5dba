"""The guard: what makes a log one that nothing is written to, in words that say what to do, and what opens it again."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.guard.guard import Guard
from ledger.log.connecting import LogRefused, LogUnavailable
from ledger.log.publisher import Publisher
from ledger.log.topic_reader import topic_reader
from ledger.log.topic_settings import created_with, misconfigured
from ledger.log.topics import TopicChanged, accept_topics, check_topics
from ledger.settings import Settings
from schemas.topics import BOOK, DEAD_LETTERS, EVENTS, TOP_UPS
from tests.support import topics
from tests.support.events import usage
from tests.support.ledgers import new_ledger
from tests.support.programs import ledger
from tests.support.waiting import eventually
from tests.support.workers import records_of

KEYS = [f"acct_{number}".encode() for number in range(40)]  # some of every partition, of four as of eight


@pytest.fixture
def own(stack: Stack) -> Settings:
    """A ledger of the test's own, whose topics are ruined."""
    settings = new_ledger(stack)
    bootstrap(settings)
    return settings


@pytest.fixture
def views(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


def looked(settings: Settings) -> Guard:
    """A guard that has looked once, and looks when it is asked to."""
    guard = Guard(settings)
    guard.look()
    return guard


def refusal(settings: Settings) -> str:
    with closing(looked(settings)) as guard:
        assert guard.closed == "refused", guard.reason
        with pytest.raises(LogRefused):
            guard.check()
        return guard.reason


def fill(publisher: Publisher) -> None:
    """A record under each key; the guard knows then where the log ends."""
    for append in [publisher.append(EVENTS, key, b"{}") for key in KEYS]:
        append.position()


def refused_to(publisher: Publisher, topic: str) -> str:
    """Why not one record of any key is taken; empty when Kafka did not answer."""
    for key in KEYS:
        try:
            publisher.append(topic, key, b"{}").position()
        except LogRefused as refused:
            return str(refused)
        except LogUnavailable:  # a producer may first find that its partitions are gone
            return ""
    raise AssertionError("all was accepted")


def test_every_setting_that_matters_is_named_with_the_command_against_it(settings: Settings) -> None:
    wrong = {
        "cleanup_policy": "compact",
        "retention_ms": "3600000",
        "retention_bytes": "1000000",
        "message_timestamp_type": "CreateTime",
        "unclean_leader_election_enable": "true",
        "max_message_bytes": "60000",
    }
    with closing(looked(settings)) as guard:
        guard.check()
        with topics.otherwise(settings, EVENTS, **wrong), topics.otherwise(settings, BOOK, max_message_bytes="900000"):
            guard.look()
            with pytest.raises(LogRefused) as refused:
                guard.check()
        guard.look()
        guard.check()  # set right, it opens by itself
    said, events, book = str(refused.value), settings.topic(EVENTS), settings.topic(BOOK)
    for name, value in wrong.items():
        assert f"{name.replace('_', '.')} is {value}, must be" in said
    assert f"--topic {events} --add-config cleanup.policy=delete,retention.ms=-1" in said
    assert f"{book}: max.message.bytes is 900000, must be at least 1004096" in said


def test_what_an_operator_may_choose_stays_free(settings: Settings) -> None:
    free = {"compression_type": "zstd", "segment_bytes": "104857600", "delete_retention_ms": "1", "flush_messages": "1"}
    with topics.otherwise(settings, EVENTS, **free), closing(looked(settings)) as guard:
        guard.check()


@pytest.mark.parametrize(("replicas", "least"), [(1, 1), (2, 2), (3, 2), (5, 2)])
def test_what_is_acknowledged_is_on_two_replicas_where_there_are_two(replicas: int, least: int) -> None:
    made = created_with(replicas)
    assert misconfigured("a", EVENTS, made, replicas) is None
    assert made["min.insync.replicas"] == str(least)
    if least == 2:
        problem = misconfigured("a", EVENTS, {**made, "min.insync.replicas": "1"}, replicas)
        assert problem is not None
        assert "min.insync.replicas is 1, must be at least 2" in str(problem)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE records.topics SET replicas = 3 WHERE name LIKE '%events'", "has 1 replicas, had 3"),
        ("UPDATE records.topics SET ends = '{9}' WHERE name LIKE '%book'", "ends at 1, reached 9: it lost its tail"),
        ("UPDATE records.topics SET partitions = 8 WHERE name LIKE '%topups'", "has 4 partitions, was built with 8"),
        (
            "INSERT INTO views.progress VALUES (0, 7, 6, 'x', NULL, NULL)",
            "ends at 0, folded up to 7: it lost its tail",
        ),
    ],
    ids=["fewer replicas", "a book without its tail", "fewer partitions", "a lost tail"],
)
def test_what_the_ledger_remembers_differs(
    settings: Settings, views: psycopg.Connection[Any], statement: str, words: str
) -> None:
    with views.transaction(force_rollback=True):
        before = views.execute("SELECT * FROM records.topics").fetchall()
    views.execute(statement.encode())
    try:
        assert words in refusal(settings)
    finally:
        views.execute("TRUNCATE views.progress, records.topics")
        with views.cursor().copy("COPY records.topics FROM STDIN") as copy:
            for row in before:
                copy.write_row([f"{{{','.join(map(str, each))}}}" if isinstance(each, list) else each for each in row])
    with closing(looked(settings)) as guard:
        guard.check()


@pytest.mark.parametrize("topic", [EVENTS, BOOK])
def test_records_that_were_deleted_from_the_beginning_are_missed(own: Settings, topic: str) -> None:
    with closing(looked(own)) as guard, Publisher(own, guard) as publisher:
        fill(publisher)
        topics.delete_records(own, topic, 0, before=1)
        guard.look()
        assert f"{own.topic(topic)}/0 begins at 1, began at 0: records were deleted" in guard.reason
        with pytest.raises(LogRefused):
            publisher.append(EVENTS, KEYS[0], b"{}")


@pytest.mark.parametrize("topic", [EVENTS, TOP_UPS])
def test_a_grown_topic_is_refused_before_a_record_goes_to_a_new_partition(own: Settings, topic: str) -> None:
    with closing(looked(own)) as guard:
        topics.grow(own, topic, 8)
        with Publisher(own, guard) as publisher:  # it sees eight, and the guard has not looked again
            assert "has 8 partitions, was built with 4" in refused_to(publisher, topic)
        assert guard.closed
        guard.look()
        assert f"{own.topic(topic)} has 8 partitions, was built with 4" in guard.reason
    assert records_of(own, topic, 8) == []


def test_a_producer_that_lives_while_its_topic_is_made_anew_accepts_nothing(own: Settings) -> None:
    """No look comes between: the offset alone says it."""
    with closing(looked(own)) as guard, Publisher(own, guard) as publisher:
        fill(publisher)
        topics.recreate(own, EVENTS, 4)
        assert "gave a new record offset 0, it had" in eventually(lambda: refused_to(publisher, EVENTS))
        with pytest.raises(LogRefused):  # closed, for all others too
            publisher.append(TOP_UPS, KEYS[1], b"{}")
        guard.look()
        assert f"{own.topic(EVENTS)} was created again: its id is" in guard.reason
        with psycopg.connect(own.database) as connection:
            accept_topics(own, connection)
        topics.set_(own, EVENTS, **{name.replace(".", "_"): value for name, value in created_with(1).items()})
        guard.look()
        fill(publisher)  # accepted by people, it is the log


@pytest.mark.parametrize("topic", [EVENTS, BOOK, TOP_UPS, DEAD_LETTERS])
def test_a_topic_that_is_gone_is_named(own: Settings, topic: str) -> None:
    topics.delete(own, topic)
    assert f"with `ledger topics --create`: {own.topic(topic)}" in refusal(own)


def test_kafka_that_is_away_is_unavailable_and_not_refused(settings: Settings) -> None:
    away = settings.model_copy(update={"kafka": "127.0.0.1:1"})
    with closing(looked(away)) as guard:
        assert guard.closed == "unavailable"
        with pytest.raises(LogUnavailable, match="Kafka does not answer"):
            guard.check()


def test_without_postgres_the_log_is_compared_with_what_was_remembered(settings: Settings) -> None:
    with closing(looked(settings)) as guard:
        guard._comparison._disconnect()
        guard._comparison._settings = settings.model_copy(update={"database": "postgresql://nobody@127.0.0.1:1/none"})
        guard.look()
        guard.check()
    with closing(looked(settings.model_copy(update={"database": "postgresql://nobody@127.0.0.1:1/none"}))) as guard:
        assert guard.closed == "unavailable"
        assert "Postgres does not answer" in guard.reason


def test_the_same_is_said_at_a_start_all_at_once(own: Settings) -> None:
    topics.grow(own, EVENTS, 6)
    topics.set_(own, EVENTS, retention_ms="1000")
    with psycopg.connect(own.database) as connection, pytest.raises(Exception, match="has 6 partitions") as refused:
        check_topics(own, connection)
    assert "retention.ms is 1000, must be -1" in str(refused.value)


def test_a_tail_of_an_account_does_not_look_in_the_wrong_partition(own: Settings) -> None:
    topics.grow(own, EVENTS, 8)
    with (
        pytest.raises(TopicChanged, match="has 8 partitions, was built with 4"),
        topic_reader(own, own.topic(EVENTS), "a"),
    ):
        pass
    with topic_reader(own, own.topic(EVENTS)) as reader:  # all of it may be looked at
        assert list(reader.records(follow=False)) == []


def test_publishing_from_the_command_line_is_refused_too(own: Settings) -> None:
    topics.set_(own, EVENTS, cleanup_policy="compact")
    done = ledger(own, "publish", stdin=json.dumps(usage("acct_1", "1")))
    assert done.returncode != 0
    assert "cleanup.policy is compact, must be delete" in done.stderr
    assert records_of(own, EVENTS, 4) == []
