"""The state of the topics on the brokers: ids, partitions, settings, where each partition begins and ends.

A topic that is not there, or a partition whose leader does not answer, is a part of the answer. A cluster that does not
answer at all, or refuses us, is an exception.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, Self

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import (
    AuthorizationError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from ledger.log.connecting import COMMITTED, KafkaForbids, kafka_options, refusals_in_words
from ledger.log.kafka_python_fixes import naming_the_batch
from ledger.log.record import Record
from ledger.settings import Settings
from schemas.topics import TOPICS

_ANSWER_MS = 5_000  # all partitions wait for one broker that is silent
_CLOSE_MS = 1_000
_POLLS = 20
_POLL_MS = 250


class TopicState(NamedTuple):
    """A topic as it is. `replicas`: of the partition that has the fewest; `leaders` by partition, -1: none."""

    topic_id: str
    partitions: int
    replicas: int
    settings: Mapping[str, str]
    leaders: tuple[int, ...]


class Survey(NamedTuple):
    """`topics` by full name, without those that are missing. `begins`, `ends`: of partitions whose leader answered."""

    topics: Mapping[str, TopicState]
    begins: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]

    @property
    def unanswered(self) -> frozenset[TopicPartition]:
        """Partitions of which nothing is known now."""
        return frozenset(_places(self.topics)) - (self.begins.keys() & self.ends.keys())


class Surveyor:
    """The clients that ask; made when they are needed. After an exception, `close` it before it is asked again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin: KafkaAdminClient | None = None
        self._consumer: KafkaConsumer | None = None

    def survey(self) -> Survey:
        """All topics of the ledger. Raises KafkaError, KafkaRefusesUser, KafkaForbids, KafkaTlsFailed."""
        with refusals_in_words():
            admin = self._administrator()
            topics = _topics(admin, [self._settings.topic(topic.name) for topic in TOPICS])
            begins = _offsets(admin, topics, OffsetSpec.EARLIEST)
            survey = Survey(topics, begins, _offsets(admin, topics, OffsetSpec.LATEST))
        if any(_leader(topics, place) >= 0 for place in survey.unanswered):
            self._close_admin()  # it doesn't know a broker that was away when it connected
        return survey

    def records_at(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, Record | None]:
        """The record at one offset of each partition that answered; None where the log has no record at that offset.

        Raises what `survey` raises, and LogUnreadable; `close` the surveyor after that, too.
        """
        with refusals_in_words():
            found = _records_at(self._reader(), offsets) if offsets else {}
        if len(found) < len(offsets):
            self._close_reader()  # it may look for a leader that is gone, without an end
        return found

    def close(self) -> None:
        """Closes the clients."""
        self._close_reader()
        self._close_admin()

    def _close_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _close_reader(self) -> None:
        reader, self._consumer = self._consumer, None
        if reader is not None:
            reader.close(autocommit=False, timeout_ms=_CLOSE_MS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _administrator(self) -> KafkaAdminClient:
        if self._admin is None:
            self._admin = KafkaAdminClient(**self._options())
        return self._admin

    def _reader(self) -> KafkaConsumer:
        if self._consumer is None:
            # Little per partition, because only the first record is read. Compressed records come in whole batches.
            self._consumer = KafkaConsumer(
                **self._options(),
                **COMMITTED,
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                max_partition_fetch_bytes=65_536,
                max_poll_records=100,
            )
        return self._consumer

    def _options(self) -> dict[str, Any]:
        return {
            **kafka_options(self._settings),
            "client_id": "ledger-guard",
            "request_timeout_ms": _ANSWER_MS,
            "bootstrap_timeout_ms": _ANSWER_MS,
            "reconnect_backoff_max_ms": 1_000,
        }


def _topics(admin: KafkaAdminClient, names: Collection[str]) -> dict[str, TopicState]:
    described = {topic["name"]: topic for topic in admin.describe_topics(list(names))}
    there = [name for name in names if _is_there(described[name])]
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
    configs = admin.describe_configs(resources, config_filter="all").get("topic", {}) if there else {}
    return {name: _found(name, described[name], configs.get(name, {})) for name in there}


def _is_there(topic: Mapping[str, Any]) -> bool:
    """Raises KafkaForbids, and KafkaError for what passes."""
    error = for_code(topic["error_code"])
    if error is TopicAuthorizationFailedError:
        raise KafkaForbids(f"Describe on topic {topic['name']}")
    if error is UnknownTopicOrPartitionError:
        return False
    if topic["error_code"]:
        raise error(topic["name"])
    return True


def _found(name: str, topic: Mapping[str, Any], configs: Mapping[str, Mapping[str, str]]) -> TopicState:
    if not configs:  # kafka-python drops the error
        raise KafkaForbids(f"DescribeConfigs on topic {name}")
    partitions = sorted(topic["partitions"], key=lambda each: each["partition_index"])
    return TopicState(
        str(topic["topic_id"]),
        len(partitions),
        min(len(each["replica_nodes"]) for each in partitions),
        {key: config["value"] for key, config in configs.items()},
        tuple(each["leader_id"] for each in partitions),
    )


def _places(topics: Mapping[str, TopicState]) -> list[TopicPartition]:
    return [TopicPartition(name, number) for name, found in topics.items() for number in range(found.partitions)]


def _leader(topics: Mapping[str, TopicState], place: TopicPartition) -> int:
    partition: int = place.partition
    return topics[place.topic].leaders[partition]


def _offsets(admin: KafkaAdminClient, topics: Mapping[str, TopicState], spec: OffsetSpec) -> dict[TopicPartition, int]:
    """Asks all leaders at once, or each for itself when one of them does not answer."""
    led = [place for place in _places(topics) if _leader(topics, place) >= 0]
    try:
        return _asked(admin, led, spec)
    except AuthorizationError:
        raise
    except KafkaError:
        found: dict[TopicPartition, int] = {}
        for some in _by(led, lambda place: _leader(topics, place)):
            try:
                found |= _asked(admin, some, spec)
            except KafkaError:
                continue
        return found


def _asked(admin: KafkaAdminClient, places: Iterable[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
    answer = admin.list_partition_offsets(dict.fromkeys(places, spec), timeout_ms=_ANSWER_MS)
    return {place: each.offset for place, each in answer.items()}


def _by(places: Iterable[TopicPartition], key: Callable[[TopicPartition], int]) -> Iterable[list[TopicPartition]]:
    groups: dict[int, list[TopicPartition]] = {}
    for place in places:
        groups.setdefault(key(place), []).append(place)
    return groups.values()


def _records_at(consumer: KafkaConsumer, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, Record | None]:
    waiting, found = dict(offsets), dict[TopicPartition, Record | None]()
    consumer.assign(list(waiting))
    consumer.resume(*waiting)
    for place, offset in waiting.items():
        consumer.seek(place, offset)
    for _ in range(_POLLS):
        with naming_the_batch(consumer):
            polled = consumer.poll(timeout_ms=_POLL_MS)
        for place, records in polled.items():
            if place in waiting and records:
                found[place] = records[0] if records[0].offset == waiting.pop(place) else None
                consumer.pause(place)
        # The offset has no record, for example the marker of a transaction: the position is behind it already.
        for place in [place for place, offset in waiting.items() if _position(consumer, place) > offset]:
            found[place] = None
            del waiting[place]
        if not waiting:
            break
    return found


def _position(consumer: KafkaConsumer, place: TopicPartition) -> int:
    return consumer.position(place, timeout_ms=_ANSWER_MS) or 0
