"""The cluster that the faults are tried on: two brokers of three acknowledge a record, one alone does not."""

from contextlib import closing, suppress

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from ledger.log.survey import Surveyor
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.brokers import Brokers, three_brokers
from tests.support.workers import eventually

SHORT_SESSIONS = "broker.heartbeat.interval.ms=500\nbroker.session.timeout.ms=3000\n"
PARTITIONS = 3


def send(brokers: Brokers, seconds: int) -> None:
    """One record to each partition, acknowledged; so each broker is the leader of one."""
    producer = KafkaProducer(
        bootstrap_servers=brokers.bootstrap.split(","), acks="all", delivery_timeout_ms=seconds * 1000
    )
    with closing(producer):
        for sent in [producer.send("facts", b"1", partition=number) for number in range(PARTITIONS)]:
            sent.get(seconds)


def leader(surveyor: Surveyor) -> int:
    return surveyor.survey().topics[EVENTS].leaders[0]


def led_by_another(settings: Settings, former: int) -> bool:
    with suppress(KafkaError), Surveyor(settings) as another:
        return leader(another) not in (-1, former)
    return False


def lead_again(brokers: Brokers, first: int) -> bool:
    """The broker that led first leads again, as soon as it has caught up."""
    with closing(KafkaAdminClient(bootstrap_servers=brokers.bootstrap.split(","))) as admin:
        with suppress(KafkaError):
            admin.elect_leaders(0, {EVENTS: [0]}, raise_errors=False)
        (topic,) = admin.describe_topics([EVENTS])
        return any(each["partition_index"] == 0 and each["leader_id"] == first for each in topic["partitions"])


def all_answer(surveyor: Surveyor) -> bool:
    try:
        survey = surveyor.survey()
    except KafkaError:
        surveyor.close()
        return False
    return {place.partition for place in survey.begins} == set(range(PARTITIONS)) and not survey.unanswered


def test_a_survey_asks_a_leader_that_was_away_when_its_clients_connected() -> None:
    with three_brokers(more=SHORT_SESSIONS) as brokers:
        settings = Settings(kafka=brokers.bootstrap, database="postgresql://nowhere")
        with closing(KafkaAdminClient(bootstrap_servers=brokers.bootstrap.split(","))) as admin:
            admin.create_topics([NewTopic(EVENTS, num_partitions=PARTITIONS, replication_factor=3)])
            admin.wait_for_topics([EVENTS])
        with Surveyor(settings) as surveyor:
            first = leader(surveyor)
        broker = brokers.all[first - 1]
        broker.kill()
        eventually(lambda: led_by_another(settings, first))
        with Surveyor(settings) as surveyor:
            eventually(lambda: all_answer(surveyor))
            broker.start()
            eventually(lambda: lead_again(brokers, first))
            eventually(lambda: all_answer(surveyor))


def test_a_cluster_without_one_broker_takes_records_and_without_two_it_does_not() -> None:
    with three_brokers(more=SHORT_SESSIONS) as brokers:
        with closing(KafkaAdminClient(bootstrap_servers=brokers.bootstrap.split(","))) as admin:
            admin.create_topics([NewTopic("facts", num_partitions=PARTITIONS, replication_factor=3)])
            admin.wait_for_topics(["facts"])
        brokers.all[0].kill()
        send(brokers, 60)
        brokers.all[1].kill()
        with pytest.raises(KafkaError):
            send(brokers, 2)
