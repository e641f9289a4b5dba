"""Waits until every broker knows the topics that were just created.

The broker that creates a topic answers before the other brokers know it and before its partitions have leaders. Another
broker would then answer that the topic is missing, which looks like a ledger that has lost its log.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaConnectionError
from kafka.protocol.admin import DescribeConfigsRequest
from kafka.protocol.metadata import MetadataRequest

from ledger.core.errors import LedgerError

_KNOWN_SECONDS = 60.0
_LOOK_SECONDS = 0.2


class TopicNotReady(LedgerError):
    message = "A topic that was just made is not known to every broker yet; run the same command again"


def wait_until_known(admin: KafkaAdminClient, names: Sequence[str]) -> None:
    """Until every broker knows the topics, a leader of each partition, and their settings. Raises TopicNotReady."""
    deadline = time.monotonic() + _KNOWN_SECONDS
    while unknown := sorted(_unknown(admin, names)):
        if time.monotonic() > deadline:
            raise TopicNotReady(", ".join(unknown))
        time.sleep(_LOOK_SECONDS)


def _unknown(admin: KafkaAdminClient, names: Sequence[str]) -> set[str]:
    """Those of the topics that a broker does not know whole. One that is away will learn of them when it is back."""
    nodes = [broker.node_id for broker in admin._manager.cluster.brokers()]
    known, answered = set(names), False
    for node in nodes:
        try:
            known &= admin._manager.run(_known_to, admin._manager, node, names)
            answered = True
        except KafkaConnectionError:
            continue
    return set(names) - known if answered else set(names)


async def _known_to(manager: Any, node: int, names: Sequence[str]) -> set[str]:
    """Which topics one broker knows. kafka-python's administrator would ask any broker."""
    topic = MetadataRequest.MetadataRequestTopic
    wanted = MetadataRequest(topics=[topic(name=name) for name in names], allow_auto_topic_creation=False)
    described = (await manager.send(wanted, node_id=node)).topics
    led = {topic.name for topic in described if not topic.error_code and _led(topic.partitions)}
    settings = KafkaAdminClient._describe_configs_request(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    assert isinstance(settings, DescribeConfigsRequest)
    found = (await manager.send(settings, node_id=node)).results
    return led & {each.resource_name for each in found if not each.error_code}


def _led(partitions: Iterable[Any]) -> bool:
    found = list(partitions)
    return bool(found) and all(not each.error_code and each.leader_id >= 0 for each in found)
