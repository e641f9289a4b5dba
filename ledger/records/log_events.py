"""The events of `ledger.records` as this database knows them: noted here, and found on the log.

An ending is noted in the transaction that makes it. So a process may be killed at any point: a worker appends the
events that are noted and not on the log, and applies those that are on the log and not noted.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from ledger.postgres.types import Connection
from ledger.sql import statements
from schemas.fields import json_of
from schemas.identity import derived_id, time_ordered_id
from schemas.records import (
    RECORDS_SUBJECT,
    AccountErased,
    ApiKeyRevoked,
    DeletedTaxId,
    EndedEndpoint,
    ErasedAccount,
    RecordsEvent,
    RevokedKey,
    TaxIdDeleted,
    WebhookEndpointEnded,
)

SQL = statements("ledger.records", "log_events.sql")
SOURCE = "ledger/records"
# A database in use has applied all of ledger.records within this time.
LATELY = timedelta(minutes=15)
_OWN_APPEND = timedelta(seconds=10)


class NotedEvent(NamedTuple):
    """An event that is noted here and not on the log."""

    event_id: str
    value: bytes


def key_revoked(key_id: str) -> ApiKeyRevoked:
    """The event of a key that was revoked. Its id follows from the key, since a key ends once."""
    return ApiKeyRevoked(source=SOURCE, id=_id("api_key.revoked", key_id), data=RevokedKey(key_id=key_id))


def endpoint_ended(endpoint_id: str) -> WebhookEndpointEnded:
    """The event of a webhook endpoint that was ended."""
    data = EndedEndpoint(endpoint_id=endpoint_id)
    return WebhookEndpointEnded(source=SOURCE, id=_id("webhook_endpoint.ended", endpoint_id), data=data)


def tax_id_deleted(tax_id: str) -> TaxIdDeleted:
    """The event of a tax id that was deleted."""
    return TaxIdDeleted(source=SOURCE, id=_id("tax_id.deleted", tax_id), data=DeletedTaxId(tax_id=tax_id))


def account_erased(account_id: str) -> AccountErased:
    """The event of an erasure. Each has its own id: a customer may come back and be erased again."""
    return AccountErased(source=SOURCE, id=time_ordered_id(), data=ErasedAccount(account_id=account_id))


def note(connection: Connection, event: RecordsEvent) -> None:
    """Notes an event that is to be on the log, in the caller's transaction."""
    connection.execute(SQL["note"], {"event_id": event.id, "value": json_of(event)})


def note_from_log(connection: Connection, event: RecordsEvent) -> bool:
    """Notes an event that was found on the log; whether it is new here."""
    return connection.execute(SQL["meet"], {"event_id": event.id, "value": json_of(event)}).rowcount > 0


def known_ids(connection: Connection, event_ids: Sequence[str] | None = None) -> set[str]:
    """Which of these events, or of all events, are noted here or were found on the log."""
    ids = None if event_ids is None else list(event_ids)
    return {event_id for (event_id,) in connection.execute(SQL["known"], {"ids": ids})}


def mark_on_log(connection: Connection, event_ids: Iterable[str]) -> None:
    """Notes that events are on the log."""
    connection.execute(SQL["seen"], {"ids": list(event_ids)})


def mark_lost(connection: Connection, event_ids: Iterable[str]) -> None:
    """Notes that events are no longer on the log, which has lost them."""
    connection.execute(SQL["gone"], {"ids": list(event_ids)})


def not_on_log(connection: Connection) -> list[NotedEvent]:
    """The oldest that are not on the log; no other process gets them until the caller's transaction ends."""
    return [NotedEvent(*row) for row in connection.execute(SQL["unseen"], {"age": _OWN_APPEND})]


def note_read(connection: Connection) -> bool:
    """Notes that all of `ledger.records` is applied; whether the last time was long ago."""
    row = connection.execute(SQL["read"], {"lately": LATELY}).fetchone()
    return bool(row and row[0])


def end_visits(connection: Connection) -> None:
    """Ends all visits to the billing page: which of them a restore brought back can't be known."""
    connection.execute(SQL["end_visits"])


def _id(type_: str, id_: str) -> str:
    return derived_id(RECORDS_SUBJECT, type_, id_)
