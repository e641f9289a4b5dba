"""The cluster that the faults are tried on: two brokers of three acknowledge a record, one alone does not."""

from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from tests.support.brokers import Brokers, three_brokers

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
