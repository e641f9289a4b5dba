"""Purchases and refunds put on the log as payments put them there, and what was invoiced of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from consumers.invoices import Invoices
from ledger.guard.guard import Guard
from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.events import Charged, CreditsPurchased, CreditsRefunded, Purchase, Refund
from schemas.identity import derived_id
from schemas.topics import EVENTS
from tests.support.waiting import eventually
from tests.support.workers import wait_until_projected

SUPPLIER = {
    "name": "Beispiel GmbH",
    "address": ["Musterstraße 1", "53111 Bonn"],
    "country": "DE",
    "tax_ids": ["VAT DE136695976"],
}
INDIAN = {
    "name": "Udāharaṇ Pvt Ltd",
    "address": ["14 MG Road", "Bengaluru 560001, Karnataka"],
    "country": "IN",
    "gstin": "29AABCU9603R1ZX",
}


def purchased(account: str, **changes: Any) -> CreditsPurchased:
    """10 credits for 10 dollars."""
    purchase_id = changes.pop("purchase_id", os.urandom(6).hex())
    charged = Charged(**{"currency": "USD", "amount_minor": 1000, **changes.pop("charged", {})})
    given = {"kind": "purchase", "credits": "10", "provider": "stripe", "fx_rate": "1", **changes}
    data = Purchase(purchase_id=purchase_id, provider_payment_id=f"pi_{purchase_id}", charged=charged, **given)
    return CreditsPurchased(source="test", id=derived_id(account, purchase_id), subject=account, data=data)


def refunded(of: CreditsPurchased, credits: str, minor: int, tax: int = 0) -> CreditsRefunded:
    """A part of it."""
    refund_id = f"re_{os.urandom(6).hex()}"
    charged = Charged(currency=of.data.charged.currency, amount_minor=minor, tax_minor=tax)
    data = Refund(purchase_id=of.data.purchase_id, provider_refund_id=refund_id, credits=credits, charged=charged)
    return CreditsRefunded(source="test", id=derived_id(of.subject, refund_id), subject=of.subject, data=data)


def append(settings: Settings, *events: Any) -> None:
    """Onto the log, signed, and returns when they are projected."""
    with Publisher(settings) as publisher:
        for sent in [publisher.append_event(EVENTS, event, settings.signing_key()) for event in events]:
            sent.position()
    wait_until_projected(settings)


@contextmanager
def invoicing(settings: Settings) -> Iterator["Round"]:
    """A consumer of invoices, whose rounds the test makes."""
    with Guard(settings) as guard, psycopg.connect(settings.database, autocommit=True) as connection:
        task = Invoices(settings, guard)
        try:
            yield Round(task, connection)
        finally:
            task.close()


class Round:
    """Makes rounds until the views were current once and everything is issued."""

    def __init__(self, task: Invoices, connection: psycopg.Connection[Any]) -> None:
        self.task, self._connection = task, connection

    def __call__(self) -> None:
        eventually(lambda: self.task._reader.ready(self._connection))
        self.task.do_round(self._connection)


def rows(settings: Settings, sql: str, *parameters: object) -> list[dict[str, Any]]:
    with psycopg.connect(settings.database, autocommit=True, row_factory=dict_row) as connection:
        cursor = connection.execute(sql.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def issued(settings: Settings, account: str) -> list[dict[str, Any]]:
    """What was issued to an account, in order."""
    return rows(settings, "SELECT * FROM records.invoices WHERE account_id = %s ORDER BY created_at, number", account)
