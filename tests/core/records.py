"""Plain records and a plain book: what tests say to the fold and to the oracle, in the words of the wire."""

import copy
import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.core.book_versions import Book
from ledger.core.entry import Fact
from schemas.book import BookVersion
from schemas.events import EVENT, ROUTER_TYPES, Event
from schemas.identity import content_of

Data = dict[str, Any]
KEY = "k1"
UNKNOWN_TRIGGER = "00000000-0000-5000-8000-00000000dead"


class Record(NamedTuple):
    """One record of the log; `key_id` None is unsigned."""

    account: str
    type: str
    data: Data
    id: str
    append_ms: int
    key_id: str | None = None
    schema: int = 1


class Published(NamedTuple):
    """One version of the book as it is on its topic."""

    wire: Data
    append_ms: int


class Withdrawn(NamedTuple):
    """The withdrawal of a version as it is on the topic."""

    number: int
    append_ms: int


Stated = Published | Withdrawn


def record(type: str, data: Data, at: str | int = "2026-11-21T10:00:00Z", number: int = 1, **more: Any) -> Record:
    """A record of "acct_0", signed when its type must be, with an id made of `number`."""
    more.setdefault("account", "acct_0")
    more.setdefault("key_id", None if type in ROUTER_TYPES else KEY)
    return Record(type=type, data=data, id=uuid_of(number), append_ms=ms(at), **more)


def uuid_of(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"


def ms(at: str | int) -> int:
    """Milliseconds since 1970 of an ISO moment."""
    if isinstance(at, int):
        return at
    moment = datetime.fromisoformat(at.replace("Z", "+00:00"))
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def event_of(record: Record) -> Event:
    """The event, through the validation of the wire."""
    envelope = {"source": "test", "id": record.id, "subject": record.account, "type": record.type, "data": record.data}
    if record.schema != 1:
        envelope["dataschema"] = f"urn:test:{record.type}:{record.schema}"
    return EVENT.validate_json(json.dumps(envelope))


def fact_of(record: Record) -> Fact:
    event = event_of(record)
    return Fact(event, record.id, content_of(event), record.key_id)


PLAIN_BOOK: Data = {
    "version": 1,
    "markups": {"auto": "0.10", "tier": "0.08"},
    "prices": [
        {"provider": "openai", "model": "gpt", "rates": {"input_tokens": "2.5", "output_tokens": "10"}},
        {
            "provider": "openai",
            "model": "gpt-cached",
            "names": ["gpt-cached-2026"],
            "rates": {
                "input_tokens": {"price": "3", "thresholds": [{"input_tokens": 900, "reached": ">=", "price": "6"}]},
                "output_tokens": "15",
                "cache_read_tokens": "0.3",
                "cache_write_tokens": "3.75",
                "cache_write_1h_tokens": "6",
                "web_searches": "10",
            },
            "variants": [{"attributes": {"service_tier": "priority"}, "rates": {"output_tokens": "30"}}],
        },
    ],
    "packages": [{"name": "free", "included_traces": 10}, {"name": "pro", "included_traces": 100}],
    "own_key_fee": "0.05",
    "default_package": "free",
    "trace_price": "0.002",
    "signing_keys": [{"key_id": KEY}],
}


def wire_of(**changes: Any) -> Data:
    """The plain book with some fields changed."""
    return {**copy.deepcopy(PLAIN_BOOK), **changes}


def book_of(*stated: Stated) -> Book:
    book = Book()
    for each in stated:
        book = book_with(book, each)
    return book


def book_with(book: Book, stated: Stated) -> Book:
    if isinstance(stated, Published):
        return book.with_version(version_of(stated.wire), stated.append_ms)
    return book.without_version(stated.number, stated.append_ms)


def plain_book(**changes: Any) -> Book:
    """A book of one version that is in force from the beginning."""
    return book_of(Published(wire_of(**changes), 0))


def version_of(wire: Data) -> BookVersion:
    return _version_of(json.dumps(wire))


@lru_cache(maxsize=1000)
def _version_of(wire: str) -> BookVersion:
    return BookVersion.model_validate_json(wire)
