"""What happens to topics behind a ledger's back: settings change, partitions grow, records and topics go."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

from ledger.log.connecting import administrating
from ledger.settings import Settings
from tests.support.waiting import eventually


def set_(settings: Settings, topic: str, **changes: str) -> None:
    """Changes settings of a topic; underscores are dots."""
    wanted = {name.replace("_", "."): value for name, value in changes.items()}
    resource = ConfigResource(ConfigResourceType.TOPIC, settings.topic(topic), wanted)
    with administrating(settings) as admin:
        admin.alter_configs([resource])

        def is_so() -> bool:
            found = admin.describe_configs([resource], config_filter="all")["topic"][settings.topic(topic)]
            return all(found[name]["value"] == value for name, value in wanted.items())

        eventually(is_so)


@contextmanager
def otherwise(settings: Settings, topic: str, **changes: str) -> Iterator[None]:
    """The topic has other settings until the block ends."""
    names = [name.replace("_", ".") for name in changes]
    resource = ConfigResource(ConfigResourceType.TOPIC, settings.topic(topic))
    with administrating(settings) as admin:
        before = admin.describe_configs([resource], config_filter="all")["topic"][settings.topic(topic)]
    set_(settings, topic, **changes)
    try:
        yield
    finally:
        set_(settings, topic, **{name: before[name]["value"] for name in names})


def grow(settings: Settings, topic: str, partitions: int) -> None:
    with administrating(settings) as admin:
        admin.create_partitions({settings.topic(topic): partitions})


def delete(settings: Settings, topic: str) -> None:
    name = settings.topic(topic)
    with administrating(settings) as admin:
        admin.delete_topics([name])
        eventually(lambda: name not in admin.list_topics())


def recreate(settings: Settings, topic: str, partitions: int) -> None:
    """The same name, empty."""
    delete(settings, topic)
    new = NewTopic(settings.topic(topic), num_partitions=partitions, replication_factor=1)
    with administrating(settings) as admin:
        admin.create_topics([new])
        admin.wait_for_topics([settings.topic(topic)])


def delete_records(settings: Settings, topic: str, partition: int, before: int) -> None:
    with administrating(settings) as admin:
        admin.delete_records({TopicPartition(settings.topic(topic), partition): before})
