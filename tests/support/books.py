"""Events of the book whose notice lies in the past, so that no test waits a minute until a version is in force."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from ledger.core.book_versions import NOTICE_MS
from ledger.dev.first_book import first_book
from ledger.log.book import published, record_of
from ledger.log.connecting import administrating, kafka_options
from ledger.settings import Settings
from schemas.book import BOOK_SUBJECT, BookEvent, BookVersion
from schemas.prices import Price
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


def many_sided_book(settings: Settings) -> BookVersion:
    """The first book's next version: with a long-context price, a variant, tools, a free model, a fee for own keys."""
    first = first_book(settings.signing_key_id)
    prices = [
        {
            "provider": "google",
            "model": "gemini-2.5-pro",
            "names": ["gemini-2.5-pro-latest"],
            "rates": {
                "input_tokens": {"price": "1.25", "thresholds": [{"input_tokens": 200_000, "price": "2.5"}]},
                "output_tokens": {"price": "10", "thresholds": [{"input_tokens": 200_000, "price": "15"}]},
                "cache_read_tokens": {"price": "0.125", "thresholds": [{"input_tokens": 200_000, "price": "0.25"}]},
                "web_searches": "35",
            },
            "variants": [
                {
                    "attributes": {"service_tier": "batch"},
                    "rates": {"input_tokens": "0.625", "output_tokens": "5", "cache_read_tokens": None},
                }
            ],
        },
        {"provider": "meta", "model": "llama:free", "rates": {"input_tokens": "0", "output_tokens": "0"}},
        {"provider": "openai", "model": "whisper", "rates": {"audio_seconds": {"price": "0.36", "at_least": 10}}},
    ]
    return first.model_copy(
        update={
            "version": first.version + 1,
            "prices": (*first.prices, *(Price.model_validate_json(json.dumps(price)) for price in prices)),
            "own_key_fee": "0.05",
        }
    )
