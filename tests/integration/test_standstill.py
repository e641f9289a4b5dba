"""A consumer that gets nothing although there is something, or is in no group, is noticed; a quiet one is not."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from confluent_kafka import Producer
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from consumers.standstill import Standstill
from ledger.log.book import book_consumer, records_to_the_end
from ledger.log.connecting import kafka_options
from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.topics import DEAD_LETTERS


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.standstill._LOOK_SECONDS", 0.1)


@pytest.fixture
def kafka(settings: Settings) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(
        settings.topic(DEAD_LETTERS),
        **kafka_options(settings),
        group_id=f"{settings.topic_prefix}standstill",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    with closing(consumer):
        yield consumer


def poll_and_check(standstill: Standstill, poll: Callable[[], object], times: int = 3) -> None:
    for _ in range(times):
        poll()
        time.sleep(0.15)
        standstill.check(polled=False)


def joined(kafka: KafkaConsumer) -> KafkaConsumer:
    while not kafka.assignment():
        kafka.poll(timeout_ms=200)
    return kafka


def appended(settings: Settings) -> None:
    with Publisher(settings) as publisher:
        publisher.append(DEAD_LETTERS, b"a", b"{}").position()


def test_a_consumer_that_does_not_get_what_is_there_is_noticed(settings: Settings, kafka: KafkaConsumer) -> None:
    kafka.pause(*joined(kafka).assignment())
    appended(settings)
    with pytest.raises(KafkaTimeoutError, match="does not get what is on"):
        poll_and_check(Standstill(kafka), lambda: kafka.poll(timeout_ms=100))


def test_a_consumer_that_does_not_get_into_its_group_is_noticed(kafka: KafkaConsumer) -> None:
    with pytest.raises(KafkaTimeoutError, match="group"):
        poll_and_check(Standstill(kafka), lambda: None)


def test_a_consumer_that_has_read_all_is_left_alone_also_behind_a_transaction(
    settings: Settings, kafka: KafkaConsumer
) -> None:
    foreign = Producer({"bootstrap.servers": settings.kafka, "transactional.id": settings.topic_prefix, "log_level": 0})
    foreign.init_transactions()
    foreign.begin_transaction()
    foreign.produce(settings.topic(DEAD_LETTERS), b"{}", b"a")
    foreign.commit_transaction()
    joined(kafka)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        kafka.poll(timeout_ms=200)
    poll_and_check(Standstill(kafka), lambda: kafka.poll(timeout_ms=100), times=5)


def test_reading_the_book_ends_when_nothing_comes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.log.book.ANSWER_MS", 1_000)
    consumer, partition = book_consumer(settings)
    with closing(consumer):
        consumer.seek(partition, 0)
        assert list(records_to_the_end(consumer, partition))
        consumer.seek(partition, 0)
        consumer.pause(TopicPartition(*partition))
        with pytest.raises(KafkaTimeoutError):
            list(records_to_the_end(consumer, partition))
