"""No message keeps those behind it from going out: what Kafka refuses is sent short, or set aside and tried again."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from kafka.errors import KafkaError

from ledger.log.dead_letters import Problem, dead_letter_of
from ledger.log.producer import Producer
from ledger.log.record import PlainRecord
from ledger.records import outbox
from ledger.settings import Settings
from projectors.messages import SOURCE
from schemas.dead_letters import DEAD_LETTER
from schemas.fields import json_of
from schemas.identity import derived_id
from schemas.signatures import signature_of, verifies
from schemas.topics import DEAD_LETTERS, EVENTS
from tests.support.events import Ids, json_bytes, sender, usage
from tests.support.expected import home_of
from tests.support.waiting import eventually
from tests.support.workers import crew, folded, records_of, wait_until_projected

IDS = Ids(47)


@pytest.fixture
def records(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


def bound_records(settings: Settings, count: int) -> None:
    """How large a batch of ledger.events may be from now on."""
    change = ConfigEntry("max.message.bytes", str(count), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, settings.topic(EVENTS), incremental_configs=[change])
    admin = AdminClient({"bootstrap.servers": settings.kafka})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(30)


def test_a_producer_that_was_ended_refuses_with_an_error_of_kafka(settings: Settings) -> None:
    """Its thread may end between two appends of the relay, which goes on after each error of Kafka and no other."""
    producer = Producer(settings, 10, [settings.topic(EVENTS)], lambda: None)
    producer.end(KafkaError("refused"))
    assert producer.gone(10)
    with pytest.raises(KafkaError):
        producer.partitions("of-no-topic-it-knows")
    with pytest.raises(KafkaError):
        producer.send("of-no-topic-it-knows", b"k", b"v", ())


def wait_in_the_outbox(settings: Settings, records: psycopg.Connection[Any], *reasons: str) -> None:
    """Dead letters as an earlier version has left them there."""
    topic, key = settings.topic(EVENTS), settings.signing_key()
    for offset, reason in enumerate(reasons, 100):
        letter = dead_letter_of(SOURCE, topic, 0, PlainRecord(b"k", b"v" * 1000, offset=offset), Problem("x", reason))
        value = json_of(letter)
        signature = key.header(value)[1].decode()
        outbox.put(records, 0, [outbox.Message(letter.id, DEAD_LETTERS, letter.subject.encode(), value, signature)])


def test_what_kafka_refuses_is_sent_short_or_set_aside_and_nothing_waits_behind_it(
    settings: Settings, records: psycopg.Connection[Any], tmp_path: Any
) -> None:
    account = next(name for n in range(1000) if home_of(name := f"acct_{n}", settings.event_partitions) == 1)
    with sender(settings) as log:
        log.append(json_bytes(usage(account, IDS())), account.encode(), partition=1)
        log.append(b"{", account.encode(), partition=0)
    bound_records(settings, 70_000)
    large = b"v" * 80_000
    outbox.put(records, 0, [outbox.Message(derived_id("large"), EVENTS, account.encode(), large, None)])
    wait_in_the_outbox(settings, records, "short", "long " * 250_000, "short too")
    with crew(settings, tmp_path) as members:
        worker = members.start()
        waiting = "SELECT topic, refused_at IS NOT NULL FROM records.outbox WHERE sent_at IS NULL"
        eventually(
            lambda: folded(settings) == 2 and records.execute(waiting).fetchall() == [(EVENTS, True)],
            60,
            lambda: worker.output,
        )
        assert "message_refused" in worker.output
        said = records_of(settings, DEAD_LETTERS, 1)
        letters = {DEAD_LETTER.validate_json(record.value).data for record in said}
        assert sorted(letter.reason[:10] for letter in letters) == ["long long ", "record: In", "short", "short too"]
        for record in said:
            signature = signature_of(record.headers)
            assert signature is not None
            assert verifies(signature, record.value, settings.secrets)
        bound_records(settings, 1_048_588)
        records.execute("UPDATE records.outbox SET refused_at = refused_at - interval '1 hour'")
        wait_until_projected(settings)
        assert [record.partition for record in records_of(settings, EVENTS, 4) if record.value == large] == [1]
        assert worker.alive, worker.output
