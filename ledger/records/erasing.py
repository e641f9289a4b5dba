"""Erasing a customer's personal data, as far as the law lets us, and saying what is kept and why.

The log and what is folded from it have no personal data: an account there is an id that names nobody any more.
"""

from typing import Any, NamedTuple

import psycopg

from ledger.core.errors import LedgerError
from ledger.records import rebuilds
from ledger.records.idempotency import owner_of
from ledger.sql import statements

SQL = statements("ledger.records", "erasing.sql")
_ERASED = (
    "tax_ids",
    "profile",
    "answers",
    "mails",
    "endpoint_deliveries",
    "endpoints",
    "keys",
    "visits",
    "return_urls",
)


class NotInvoicedYet(LedgerError):
    """Purchases of this account are unpaid, or wait for their invoices, which need its name; erase it afterwards."""


class Kept(NamedTuple):
    """Something that stays, and why."""

    what: str
    why: str


class Erasure(NamedTuple):
    """How many rows of each kind were erased or emptied, and what was kept."""

    erased: dict[str, int]
    kept: list[Kept]


def erase(connection: psycopg.Connection[Any], account_id: str, *, invoiced: bool) -> Erasure:
    """Erases all or nothing; again, it erases nothing. `invoiced`: invoices are issued here.

    Raises NotInvoicedYet, RebuildRunning, RebuildUnfinished: half-built views don't know what waits for its invoice.
    """
    parameters = {"account_id": account_id, "owner": owner_of(account_id)}
    rebuilds.share(connection)
    with connection.transaction():
        waiting = connection.execute(SQL["uninvoiced"], parameters).fetchone()
        if invoiced and waiting and waiting[0]:
            raise NotInvoicedYet(f"{waiting[0]} of them")
        erased = {name: connection.execute(SQL[name], parameters).rowcount for name in _ERASED}
        return Erasure(erased, list(_kept(connection, parameters)))


def _kept(connection: psycopg.Connection[Any], parameters: dict[str, str]) -> list[Kept]:
    kept = []
    invoices = connection.execute(SQL["kept_invoices"], parameters).fetchone()
    if invoices and invoices[0]:
        what = f"{invoices[0]} invoices and credit notes, issued from {invoices[1]} to {invoices[2]}"
        kept.append(Kept(what, "tax law has them kept for years, with the name, address and tax id on them"))
    for provider, customer_id in connection.execute(SQL["kept_customers"], parameters):
        kept.append(Kept(f"customer {customer_id} of {provider}", "refunds and disputes need it; erase it there, too"))
    entries = connection.execute(SQL["kept_entries"], parameters).fetchone()
    if entries and entries[0]:
        kept.append(Kept(f"{entries[0]} entries of the ledger", "they are the accounts; nothing in them is personal"))
    return kept
