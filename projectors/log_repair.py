"""Appends to the log what it has lost (events of the book, other events) and a record of the recovery."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError
from ledger.log.book import StatedEvent
from ledger.log.book_history import BookHistory, read_history
from ledger.log.publisher import PendingAppend, Publisher
from ledger.log.topics import topic_ids
from ledger.payments.invoice_numbers import issued_event
from ledger.postgres.types import Connection
from ledger.records import invoices
from ledger.settings import Settings
from ledger.views import lost_entries
from ledger.views.lost_entries import IncompleteEvent, LostEntry
from projectors.refold import Progress
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
    message = "LEDGER_SIGNING_KEYS has no key that may sign this event of the book today, as the events before it say"


def append_book(settings: Settings, lost: Sequence[StatedEvent]) -> None:
    """Appends each event, in order, signed by a key that the earlier ones accept today. Raises NoKeyForBook."""
    with Publisher(settings) as publisher:
        for stated in lost:
            key = _key_for(settings, read_history(settings), stated)
            headers = [key.header(stated.value), recovered_header(key, stated.appended_ms, stated.value)]
            publisher.append(BOOK, BOOK_SUBJECT.encode(), stated.value, headers).position()


class Appended(NamedTuple):
    """How many events were appended, and by partition the offset after the last of them."""

    records: int
    ends: dict[int, int]


def append_entries(settings: Settings, connection: Connection, total: int, progress: Progress) -> Appended:
    """Appends the events of all missing entries, in order. Unrecoverable ones are left out."""
    progress.begin("Appending to the log", total)
    key, records, ends = settings.signing_key(), 0, dict[int, int]()
    entries = lost_entries.lost_entries(connection)
    with Publisher(settings) as publisher:
        while some := list(islice(entries, _AT_ONCE)):
            for append in list(_appends(publisher, some, key)):
                partition, offset = append.position()
                ends[partition] = offset + 1
                records += 1
            progress.reach(records)
    return Appended(records, ends)


def append_recovery(settings: Settings, connection: Connection, records: int) -> None:
    """Appends a new event about this recovery, and the invoice numbers that the log lost before they were folded."""
    key = settings.signing_key()
    topics = tuple(AcceptedTopic(name=name, topic_id=id_) for name, id_ in topic_ids(settings).items())
    recovered = LogRecovered(
        source=_SOURCE,
        id=time_ordered_id(),
        time=datetime.now(UTC),
        data=LogRecovery(records=records, topics=topics),
    )
    with Publisher(settings) as publisher:
        for event in (recovered, *map(issued_event, invoices.missing_from_log(connection))):
            publisher.append_event(EVENTS, event, key).position()


def _appends(publisher: Publisher, entries: Sequence[LostEntry], key: SigningKey) -> Iterator[PendingAppend]:
    for entry in entries:
        try:
            value = json_of(lost_entries.event_of(entry))
        except IncompleteEvent:
            continue
        headers = [recovered_header(key, entry.log_time_ms, value)]
        if entry.signed:
            headers.append(key.header(value))
        yield publisher.append(EVENTS, entry.account_id.encode(), value, headers)


def _key_for(settings: Settings, history: BookHistory, stated: StatedEvent) -> SigningKey:
    event, now_ms = BOOK_SCHEMA.validate_json(stated.value), ms_of(datetime.now(UTC))
    for key_id in sorted(settings.secrets, key=lambda each: each != settings.signing_key_id):
        if history.may_sign(key_id, event, now_ms):
            return SigningKey(key_id, settings.secrets[key_id])
    raise NoKeyForBook(f"event {stated.number}")
