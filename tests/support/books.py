"""Events of the book whose notice lies in the past, so that no test waits a minute until a version is in force."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from ledger.core.book_versions import NOTICE_MS
from ledger.log.book import published, record_of
from ledger.log.connecting import administrating, kafka_options
from ledger.settings import Settings
from schemas.book import BOOK_SUBJECT, BookEvent, BookVersion
from schemas.topics import BOOK
from tests.support.waiting import eventually


def publish_in_force(settings: Settings, version: BookVersion) -> None:
    """Appends a version without a date, as if that had been a minute ago: it is in force at once."""
    append_a_minute_ago(settings, published(version))


def append_a_minute_ago(settings: Settings, *events: BookEvent) -> None:
    """Appends events, as if that had been a minute ago, and before them at least one record that is none.

    No worker may fold meanwhile: one that had not read it yet would fold by the version before.
    """
    appended_ms = time.time_ns() // 1_000_000 - NOTICE_MS
    producer = KafkaProducer(**kafka_options(settings), acks="all", enable_idempotence=True)

    def append(value: bytes, *headers: tuple[str, bytes]) -> int:
        """The time that the record has."""
        key = BOOK_SUBJECT.encode()
        sent = producer.send(settings.topic(BOOK), value, key, list(headers), timestamp_ms=appended_ms)
        return int(sent.get(30).timestamp)

    with closing(producer), _takes_any_time(settings):
        # The broker's answer to a change of the topic comes a little before the change.
        eventually(lambda: append(b"no version at all") == appended_ms)
        for event in events:
            value, header = record_of(event, settings.signing_key())
            assert append(value, header) == appended_ms


@contextmanager
def _takes_any_time(settings: Settings) -> Iterator[None]:
    """Records of the book keep the time that their producer gives them until the block ends."""
    try:
        _set_timestamp_type(settings, "CreateTime")
        yield
    finally:
        _set_timestamp_type(settings, "LogAppendTime")


def _set_timestamp_type(settings: Settings, name: str) -> None:
    changes = {"message.timestamp.type": name}
    with administrating(settings) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic(BOOK), changes)])
