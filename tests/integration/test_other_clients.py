"""What any Kafka client may write: every codec, transactions that end or don't, headers and keys of every kind."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from kafka import KafkaProducer

from ledger.log.connecting import kafka_options
from ledger.log.reader import reading
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.events import Event, Ids, json_bytes, sender, usage
from tests.support.expected import home_of
from tests.support.workers import Crew, crew, wait_until_projected

IDS = Ids(41)
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@pytest.fixture(scope="module")
def members(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with crew(settings, tmp_path_factory.mktemp("workers")) as members:
        members.start()
        yield members


@pytest.fixture
def views(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


def account_at(settings: Settings, home: int) -> str:
    return next(name for n in range(1000) if home_of(name := f"acct_{n}", settings.event_partitions) == home)


def posted(views: psycopg.Connection[Any], events: list[Event]) -> list[str]:
    """The ids of these events that have an entry, once for each entry."""
    ids = [each["id"] for each in events]
    found = views.execute("SELECT event_id::text FROM views.entries WHERE event_id = ANY (%s::uuid[])", [ids])
    return sorted(row[0] for row in found)


def ids_of(events: list[Event]) -> list[str]:
    return sorted(each["id"] for each in events)


@contextmanager
def transactional(settings: Settings, name: str, **more: Any) -> Iterator[Producer]:
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka,
            "transactional.id": f"{settings.topic_prefix}{name}",
            "partitioner": "murmur2_random",
            "log_level": 0,
            **more,
        }
    )
    producer.init_transactions(30)
    yield producer


def write(producer: Producer, settings: Settings, events: list[Event]) -> None:
    for each in events:
        producer.produce(settings.topic(EVENTS), json_bytes(each), each["subject"].encode())
    assert producer.flush(30) == 0


def test_every_codec_of_two_clients_is_folded_and_shown(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    account = account_at(settings, 0)
    events = []
    for codec in CODECS:
        some = [usage(account, IDS(), request_id=f"req_{codec}_{number}") for number in range(30)]
        events += some
        with sender(settings, **{"compression.type": codec, "linger.ms": 50}) as log:
            log.send(*some[:15])
        options = {} if codec == "none" else {"compression_type": codec}
        producer = KafkaProducer(**kafka_options(settings), **options, linger_ms=50)
        for each in some[15:]:
            producer.send(settings.topic(EVENTS), key=account.encode(), value=json_bytes(each))
        producer.close()
    wait_until_projected(settings)
    assert posted(views, events) == ids_of(events)
    with reading(settings, settings.topic(EVENTS), account) as reader:
        reader.seek("beginning")
        seen = [json.loads(record.value)["id"] for some in reader.records(follow=False) for record in some]
    assert set(ids_of(events)) <= set(seen)
    assert members.alive == members.all


def test_committed_transactions_count_once_and_aborted_ones_never_wherever_they_lie(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    first, middle, last, only = (account_at(settings, home) for home in range(4))
    kept: list[Event] = []
    gone: list[Event] = []

    def some(accounts: tuple[str, ...], into: list[Event]) -> list[Event]:
        events = [usage(account, IDS()) for account in accounts for _ in range(3)]
        into += events
        return events

    with transactional(settings, "t1") as one, transactional(settings, "t2") as two:
        one.begin_transaction()
        write(one, settings, some((first, middle), kept))
        one.commit_transaction(30)
        two.begin_transaction()
        write(two, settings, some((middle,), gone))
        one.begin_transaction()
        write(one, settings, some((middle, last), kept))  # among the other's, which is aborted
        two.abort_transaction(30)
        one.commit_transaction(30)
        with sender(settings) as log:
            log.send(*some((middle, last), kept))
        for producer in (one, two):
            producer.begin_transaction()
            write(producer, settings, some((last, only), gone))
            producer.abort_transaction(30)
    wait_until_projected(settings)
    assert posted(views, kept) == ids_of(kept)
    assert posted(views, gone) == []
    time.sleep(3)
    through = views.execute("SELECT max(now() - through) < interval '3 s', count(*) FROM views.progress").fetchone()
    assert through == (True, settings.event_partitions), "an idle ledger is true up to now, markers or not"
    assert members.alive == members.all
