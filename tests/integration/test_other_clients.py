"""What any Kafka client may write: every codec, transactions that end or don't, headers and keys of every kind."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from kafka import KafkaProducer

from ledger.log.connecting import kafka_options
from ledger.log.topic_reader import topic_reader
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.events import Event, Ids, json_bytes, sender, usage
from tests.support.expected import home_of
from tests.support.programs import ROOT, environment, ledger
from tests.support.waiting import eventually
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
    with topic_reader(settings, settings.topic(EVENTS), account) as reader:
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


def test_an_open_transaction_holds_back_what_follows_is_named_and_ends_no_worker(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, members: Crew, views: psycopg.Connection[Any]
) -> None:
    members.all[0].stop()
    worker = members.start(stall_seconds=4)
    account = account_at(settings, 2)
    wait_until_projected(settings)
    inside, behind = [usage(account, IDS())], [usage(account, IDS())]
    with transactional(settings, "hangs") as producer:
        producer.begin_transaction()
        write(producer, settings, inside)
        with sender(settings) as log:
            log.send(*behind)
        eventually(lambda: "open_transaction" in worker.output, 30, lambda: worker.output)
        line = next(line for line in worker.output.splitlines() if "open_transaction" in line)
        assert f"{settings.topic(EVENTS)}" in line
        assert "producer_id=None" not in line
        query = "SELECT partition, waits_for, waits_since > now() - interval '1 min' FROM views.progress"
        assert [row for row in views.execute(query) if row[1]] == [(2, "transaction", True)]
        assert posted(views, inside + behind) == []
        assert worker.alive, worker.output
        producer.commit_transaction(30)
    wait_until_projected(settings)
    assert posted(views, inside + behind) == ids_of(inside + behind)
    eventually(lambda: views.execute("SELECT count(waits_for) FROM views.progress").fetchone() == (0,), 20)


def header_name_that_is_no_text(settings: Settings, account: str) -> Event:
    """As a producer in C may send it; the clients of Python refuse to."""
    one = usage(account, IDS())
    producer = KafkaProducer(**kafka_options(settings))
    headers = [(_NoText(), b"x")]
    producer.send(settings.topic(EVENTS), key=account.encode(), value=json_bytes(one), headers=headers).get(30)
    producer.close()
    return one


class _NoText(str):
    """A header's name whose UTF-8 is none."""

    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


@contextmanager
def times_of_producers(settings: Settings, members: Crew) -> Iterator[None]:
    """The topic changed by an operator while no worker ran: records have the time of their producer."""
    for worker in members.alive:
        worker.pause()
    configure(settings, {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)})
    yield
    configure(settings, {"message.timestamp.type": "LogAppendTime"})
    for worker in members.alive:
        worker.resume()


def configure(settings: Settings, values: dict[str, str]) -> None:
    changes = [ConfigEntry(*each, incremental_operation=AlterConfigOpType.SET) for each in values.items()]
    resource = ConfigResource(ResourceType.TOPIC, settings.topic(EVENTS), incremental_configs=changes)
    admin = AdminClient({"bootstrap.servers": settings.kafka})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(30)


def test_headers_keys_and_values_of_every_kind_are_folded_or_dead_letters(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    account = account_at(settings, 1)
    good = [usage(account, IDS()) for _ in range(6)]
    values, key = [json_bytes(each) for each in good], account.encode()
    before = views.execute("SELECT count(*) FROM views.dead_letters").fetchone()
    with sender(settings) as log:
        log.append(values[0], key, [("trace", b"\x00\xff"), ("trace", None), ("", b""), ("ключ", b"1")])
        log.append(values[1], key, [(f"h{n}", b"v" * 100) for n in range(1000)])
        log.append(values[2], key, [("big", b"v" * 900_000)])
        log.append(None, None, partition=1)
        log.append(None, key)
        log.append(b"", b"", partition=1)
        log.append(b"\xff" * 900_000, b"\xff\xfe", partition=1)
        log.append(values[3], b"\xff\xfe", partition=1)
        log.append(values[3], key, [("ledger-signature", None), ("ledger-signature", b"\xff")])
    with times_of_producers(settings, members), sender(settings) as log:
        log.append(json_bytes(usage(account, IDS())), key, at_ms=2**62)
    odd = header_name_that_is_no_text(settings, account)
    with sender(settings, **{"compression.type": "zstd", "linger.ms": 100}) as log:
        for number in range(5000):
            log.append(values[4], key, [("n", str(number).encode())])
        log.append(values[5], key)
    wait_until_projected(settings)
    kept = [*good[:3], good[4], good[5], odd]
    assert posted(views, kept) == ids_of(kept)
    assert posted(views, [good[3]]) == []
    after = views.execute("SELECT count(*) FROM views.dead_letters").fetchone()
    assert after is not None
    assert before is not None
    assert after[0] - before[0] == 7
    assert members.alive == members.all[-1:]


def test_a_second_fold_of_all_this_says_the_same_and_the_ledger_goes_on(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    members.all[-1].stop()
    queries = (
        "SELECT partition, next_offset, last_offset, last_record FROM views.progress ORDER BY partition",
        "SELECT event_id, log_offset, amount, balance_after FROM views.entries ORDER BY partition, log_offset",
        "SELECT partition, log_offset, code, reason FROM views.dead_letters ORDER BY partition, log_offset",
    )
    before = [views.execute(query).fetchall() for query in queries]
    ran = ledger(settings, "rebuild", "--yes", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["different"] == 0
    assert [views.execute(query).fetchall() for query in queries] == before
    members.start()
    more = [usage(account_at(settings, home), IDS()) for home in range(4)]
    with sender(settings) as log:
        log.send(*more)
    wait_until_projected(settings)
    assert posted(views, more) == ids_of(more)


def test_a_process_that_lacks_a_codec_refuses_to_start_and_names_it(settings: Settings) -> None:
    program = """
import sys
sys.modules |= dict.fromkeys(("cramjam", "lz4", "zstandard"))
from consumers.process import run as consume
from ledger.settings import Settings
from projectors.worker import run as project
for run in (project, consume):
    try:
        run(Settings())
    except Exception as error:
        print(error)
"""
    command = [sys.executable, "-c", program]  # nothing may be imported before
    ended = subprocess.run(command, env=environment(settings), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "aiokafka can't read snappy, lz4, zstd" in ended.stdout, ended.stderr
    assert "kafka-python can't read snappy, lz4, zstd" in ended.stdout, ended.stderr
