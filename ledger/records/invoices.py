"""Invoices and credit notes: numbers without gaps, one document per purchase and per refund, which never changes.

A document is not shown before its number is on the log.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from psycopg.rows import class_row

from ledger.core.errors import LedgerError
from ledger.core.invoice_numbers import Place
from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "invoices.sql")


class InvoiceUnknown(LedgerError):
    message = "There is no such invoice"


class NewInvoice(NamedTuple):
    """A document that is to be issued. `event_id`: the purchase or the refund; `content`: JSON text."""

    number: str
    kind: str
    event_id: str
    account_id: str
    purchase_id: str
    issued_on: date
    currency: str
    total_minor: int
    tax_minor: int
    content: str
    created_at: datetime


class Issued(NamedTuple):
    """A document as lists have it. `kind`: invoice or credit_note."""

    number: str
    kind: str
    account_id: str
    purchase_id: str
    issued_on: date
    currency: str
    total_minor: int
    tax_minor: int
    created_at: datetime


class Unrecorded(NamedTuple):
    """A number that is taken here, and may not be on the log yet."""

    number: str
    account_id: str
    event_id: str
    purchase_id: str
    created_at: datetime


def next_place(connection: Connection, series: str, year: str) -> Place:
    """Takes the next number. Others wait until this transaction ends; after a rollback the number is free again."""
    row = connection.execute(SQL["next_position"], {"series": series, "year": year}).fetchone()
    assert row, "an upsert returns its row"
    return Place(series, year, row[0])


def raise_last_number(connection: Connection, place: Place) -> None:
    """Notes that a number is taken, so that the next one is above it."""
    connection.execute(SQL["reach"], place._asdict())


def insert(connection: Connection, new: NewInvoice, place: Place) -> None:
    """Writes the document."""
    connection.execute(SQL["insert"], {**new._asdict(), **place._asdict()})


def number_of_event(connection: Connection, account_id: str, event_id: str) -> str | None:
    """The number of the document of this purchase or refund."""
    row = connection.execute(SQL["of_event"], {"account_id": account_id, "event_id": event_id}).fetchone()
    return row[0] if row else None


def numbers_of_events(connection: Connection, account_id: str, event_ids: Sequence[str]) -> dict[str, str]:
    """The numbers of the documents of these purchases and refunds, by the event's id; only of what may be shown."""
    parameters = {"account_id": account_id, "event_ids": list(event_ids)}
    return dict(connection.execute(SQL["of_events"], parameters).fetchall())


def content_of_purchase(connection: Connection, account_id: str, purchase_id: str) -> str | None:
    """The content of the purchase's invoice, as JSON."""
    row = connection.execute(SQL["of_purchase"], {"account_id": account_id, "purchase_id": purchase_id}).fetchone()
    return row[0] if row else None


def returned_tax(connection: Connection, account_id: str, purchase_id: str) -> int:
    """The tax of the credit notes that the purchase has so far."""
    parameters = {"account_id": account_id, "purchase_id": purchase_id}
    row = connection.execute(SQL["returned_tax"], parameters).fetchone()
    assert row, "a sum always has a row"
    return int(row[0])


def unrecorded(connection: Connection, limit: int) -> list[Unrecorded]:
    """Documents whose numbers are to be put on the log, the oldest first."""
    return [Unrecorded(*row) for row in connection.execute(SQL["unrecorded"], {"limit": limit})]


def missing_from_log(connection: Connection) -> list[Unrecorded]:
    """Documents whose numbers are to be put on the log once more, the oldest first. The views must be current."""
    return [Unrecorded(*row) for row in connection.execute(SQL["gone"])]


def mark_recorded(connection: Connection, number: str) -> None:
    """Notes that the log has the number. From now on the document is shown."""
    connection.execute(SQL["recorded"], {"number": number})


def find(connection: Connection, number: str) -> Issued:
    """Raises InvoiceUnknown."""
    with connection.cursor(row_factory=class_row(Issued)) as cursor:
        found = cursor.execute(SQL["find"], {"number": number}).fetchone()
    if found is None:
        raise InvoiceUnknown(number, field="number")
    return found


def page(connection: Connection, account_id: str, before: datetime, number: str, limit: int) -> list[Issued]:
    """The account's documents before a place, newest first."""
    parameters = {"account_id": account_id, "before": before, "number": number, "limit": limit}
    with connection.cursor(row_factory=class_row(Issued)) as cursor:
        return cursor.execute(SQL["page"], parameters).fetchall()


def content(connection: Connection, number: str) -> str:
    """The content of a document, as JSON. Raises InvoiceUnknown."""
    row = connection.execute(SQL["content"], {"number": number}).fetchone()
    if row is None:
        raise InvoiceUnknown(number, field="number")
    return str(row[0])


def pdf(connection: Connection, number: str) -> bytes | None:
    """The stored PDF of a document; None until it was made."""
    row = connection.execute(SQL["pdf"], {"number": number}).fetchone()
    return bytes(row[0]) if row else None


def keep_pdf(connection: Connection, number: str, new: bytes) -> bytes:
    """Stores a PDF of the document unless there is one. Returns the stored one."""
    connection.execute(SQL["keep_pdf"], {"number": number, "pdf": new})
    kept = pdf(connection, number)
    assert kept is not None, "it has just been written"
    return kept
