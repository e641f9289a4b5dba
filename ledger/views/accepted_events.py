"""Events that the fold has accepted, read partition by partition in log order, for consumers.

Within a partition entries appear in the order of their offsets, so a reader only has to keep one offset per partition.
A rebuild gives every entry its old offset.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ledger.postgres.types import Connection
from ledger.sql import statements
from schemas.fields import INVOICE_NUMBER

SQL = statements("ledger.views", "accepted_events.sql")


class AcceptedEvent(NamedTuple):
    """An event with an entry. `time`: by its source, or else the log's time."""

    partition: int
    offset: int
    event_id: str
    account_id: str
    type: str
    log_time: datetime
    time: datetime
    data: dict[str, Any]


class Numbered(NamedTuple):
    """The number of an invoice, and when it was taken."""

    number: str
    time: datetime


def partitions(connection: Connection) -> list[int]:
    """The partitions that were ever folded."""
    return [partition for (partition,) in connection.execute(SQL["partitions"])]


def after(connection: Connection, partition: int, offset: int, types: Sequence[str], limit: int) -> list[AcceptedEvent]:
    """The next facts of these types from an offset on. The index entries_facts must include the types."""
    parameters = {"partition": partition, "offset": offset, "types": list(types), "limit": limit}
    return [AcceptedEvent(*row) for row in connection.execute(SQL["after"], parameters)]


def true_up_to(connection: Connection) -> datetime | None:
    """The log time up to which all partitions are folded; None while a partition has no log time."""
    row = connection.execute(SQL["true_up_to"]).fetchone()
    return row[0] if row else None


def issued_number(connection: Connection, account_id: str, event_id: str) -> Numbered | None:
    """The invoice number in this event; None while the event has no entry."""
    row = connection.execute(SQL["issued"], {"event_id": event_id, "account_id": account_id}).fetchone()
    return Numbered(*row) if row else None


def last_numbers(connection: Connection) -> list[str]:
    """The last of our invoice numbers of each series and year that the log knows."""
    return [number for (number,) in connection.execute(SQL["last_numbers"], {"form": INVOICE_NUMBER})]
