"""The topics on the broker: made once as the table says, remembered in Postgres, refused when they differ later.

A topic that was deleted and made again, or whose partitions were grown, would fold accounts in two places or lose the
past without a sound; so its id, partition count and timestamp type are compared at every start.
"""

from typing import NamedTuple

import psycopg
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.connecting import KafkaForbids, administrating
from ledger.log.new_topics import wait_until_known
from ledger.settings import Settings
from schemas.topics import TOPICS, Topic

_CONFIG = {
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
}


class TopicChanged(LedgerError, exit_code=EXIT_CONFIG):
    """A topic is not the one that this ledger was built on."""


class TopicMissing(LedgerError, exit_code=EXIT_CONFIG):
    """A topic is missing; run `ledger topics --create`."""


class TopicFacts(NamedTuple):
    """What must never change about a topic."""

    topic_id: str
    partitions: int


def create_topics(settings: Settings) -> list[str]:
    """Makes the topics that are missing, and returns their names."""
    made = []
    with administrating(settings) as admin:
        for topic in TOPICS:
            try:
                admin.create_topics([_new_topic(topic, settings)], validate_only=False)
                made.append(settings.topic(topic.name))
            except TopicAlreadyExistsError:
                continue
        wait_until_known(admin, [settings.topic(topic.name) for topic in TOPICS])
    return made


def check_topics(settings: Settings, connection: psycopg.Connection) -> int:
    """Compares the topics with what Postgres remembers, remembers new ones; returns the partitions of ledger.events.

    Raises TopicMissing or TopicChanged.
    """
    partitions = 0
    for name, (facts, timestamp_type) in _facts(settings).items():
        stored = connection.execute(
            "INSERT INTO records.topics (name, topic_id, partitions) VALUES (%s, %s, %s) "
            "ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING topic_id, partitions",
            (name, *facts),
        ).fetchone()
        if stored is None or TopicFacts(*stored) != facts:
            raise TopicChanged(f"{name}: was {stored}, is {tuple(facts)}")
        if timestamp_type != "LogAppendTime":
            raise TopicChanged(f"{name}: message.timestamp.type must be LogAppendTime")
        partitions = partitions or facts.partitions
    connection.commit()
    return partitions


def _facts(settings: Settings) -> dict[str, tuple[TopicFacts, str]]:
    """With the type of their timestamps by full name, in the order of the table, so that ledger.events is first."""
    names = [settings.topic(topic.name) for topic in TOPICS]
    with administrating(settings) as admin:
        described = admin.describe_topics(names)
        forbidden = [topic["name"] for topic in described if topic["error_code"] == TopicAuthorizationFailedError.errno]
        if forbidden:
            raise KafkaForbids(", ".join(forbidden))
        found = {topic["name"]: topic for topic in described if not topic["error_code"]}
        missing = [name for name in names if name not in found]
        if missing:
            raise TopicMissing(", ".join(missing))
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        configs = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        name: (
            TopicFacts(found[name]["topic_id"], len(found[name]["partitions"])),
            configs[name]["message.timestamp.type"]["value"],
        )
        for name in names
    }


def _new_topic(topic: Topic, settings: Settings) -> NewTopic:
    return NewTopic(
        settings.topic(topic.name),
        num_partitions=topic.partitions or settings.event_partitions,
        replication_factor=settings.replication_factor,
        topic_configs=_CONFIG,
    )
