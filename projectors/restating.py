"""Appends to the log what it has lost: versions of the book, events, and that this was done."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError
from ledger.log.book import StatedVersion
from ledger.log.book_history import History, read_history
from ledger.log.publisher import Append, Publisher
from ledger.log.topics import topic_ids
from ledger.payments.invoices import issued_event
from ledger.postgres.types import Connection
from ledger.records import invoices
from ledger.settings import Settings
from ledger.views import lost_entries
from ledger.views.lost_entries import EventNotWhole, LostEntry
from projectors.refolding import Watch
from schemas.book import BOOK as BOOK_SCHEMA
from schemas.book import BOOK_SUBJECT
from schemas.events import AcceptedTopic, LogRecovered, LogRecovery
from schemas.fields import json_of
from schemas.identity import time_ordered_id
from schemas.recovery import recovered_header
from schemas.signatures import SigningKey
from schemas.topics import BOOK, EVENTS

_AT_ONCE = 1_000
_SOURCE = "ledger/recover"


class NoKeyForBook(LedgerError):
    message = (
        "LEDGER_SIGNING_KEYS has no key that may sign this version of the book today, as the version before it says"
    )


def append_book(settings: Settings, lost: Sequence[StatedVersion]) -> None:
    """Each version after those before it, proven by a key that these accept today. Raises NoKeyForBook."""
    with Publisher(settings) as publisher:
        for version in lost:
            key = _key_for(settings, read_history(settings), version)
            headers = [key.header(version.value), recovered_header(key, version.appended_ms, version.value)]
            publisher.append(BOOK, BOOK_SUBJECT.encode(), version.value, headers).position()


class Appended(NamedTuple):
    """How many events, and per partition the offset behind the last of them."""

    records: int
    ends: dict[int, int]


def append_entries(settings: Settings, connection: Connection, total: int, watch: Watch) -> Appended:
    """The events of all that is missing, in their order. Those that are not whole are left out."""
    watch.begin("Appending to the log", total)
    key, records, ends = settings.signing_key(), 0, dict[int, int]()
    entries = lost_entries.lost_entries(connection)
    with Publisher(settings) as publisher:
        while some := list(islice(entries, _AT_ONCE)):
            for append in list(_appends(publisher, some, key)):
                partition, offset = append.position()
                ends[partition] = offset + 1
                records += 1
            watch.reach(records)
    return Appended(records, ends)


def append_ours(settings: Settings, connection: Connection, records: int) -> None:
    """That this was done, and numbers of invoices that the log lost before they were folded. Not recovered, but new."""
    key = settings.signing_key()
    topics = tuple(AcceptedTopic(name=name, topic_id=id_) for name, id_ in topic_ids(settings).items())
    recovered = LogRecovered(
        source=_SOURCE,
        id=time_ordered_id(),
        time=datetime.now(UTC),
        data=LogRecovery(records=records, topics=topics),
    )
    with Publisher(settings) as publisher:
        for event in (recovered, *map(issued_event, invoices.gone(connection))):
            publisher.append_event(EVENTS, event, key).position()


def _appends(publisher: Publisher, entries: Sequence[LostEntry], key: SigningKey) -> Iterator[Append]:
    for entry in entries:
        try:
            value = json_of(lost_entries.event_of(entry))
        except EventNotWhole:
            continue
        headers = [recovered_header(key, entry.log_time_ms, value)]
        if entry.signed:
            headers.append(key.header(value))
        yield publisher.append(EVENTS, entry.account_id.encode(), value, headers)


def _key_for(settings: Settings, history: History, version: StatedVersion) -> SigningKey:
    wire, now_ms = BOOK_SCHEMA.validate_json(version.value).data, ms_of(datetime.now(UTC))
    for key_id in sorted(settings.secrets, key=lambda each: each != settings.signing_key_id):
        if history.may_sign(key_id, wire, now_ms):
            return SigningKey(key_id, settings.secrets[key_id])
    raise NoKeyForBook(f"version {version.number}")
