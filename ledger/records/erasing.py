"""Erases a customer's personal data, as far as the law permits, and lists what is kept and why.

The log and what is folded from it have no personal data: an account there is an id without a person. The
erasure is on the log, so that a restored database is erased again.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.postgres.types import Connection
from ledger.records import log_events, rebuilds
from ledger.records.idempotency import owner_of
from ledger.sql import statements
from schemas.records import Ending

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
    message = (
        "Purchases of this account are unpaid, or wait for their invoices, which need its name; erase it afterwards"
    )


class Kept(NamedTuple):
    """Something that stays, and why."""

    what: str
    why: str


class Erasure(NamedTuple):
    """The number of erased or emptied rows by kind, what was kept, and the events that are noted for the log."""

    erased: dict[str, int]
    kept: list[Kept]
    noted: list[Ending]


def erase(connection: Connection, account_id: str, *, invoiced: bool, on_log: bool = True) -> Erasure:
    """Erases all or nothing; again, it erases nothing. `invoiced`: invoices are issued here.

    `on_log` False: not for the log, because this is a copy, or because the log has it already.

    Raises NotInvoicedYet, RebuildRunning, RebuildUnfinished: half-built views don't know what waits for its invoice.
    """
    parameters = {"account_id": account_id, "owner": owner_of(account_id)}
    rebuilds.share(connection)
    with connection.transaction():
        waiting = connection.execute(SQL["uninvoiced"], parameters).fetchone()
        if invoiced and waiting and waiting[0]:
            raise NotInvoicedYet(f"{waiting[0]} of them")
        noted = list(_ended(connection, parameters))
        erased = {name: connection.execute(SQL[name], parameters).rowcount for name in _ERASED}
        noted = [*noted, log_events.account_erased(account_id)] if on_log and any(erased.values()) else []
        for event in noted:
            log_events.note(connection, event)
        return Erasure(erased, list(_kept(connection, parameters)), noted)


def _ended(connection: Connection, parameters: dict[str, str]) -> Iterator[Ending]:
    for kind, id_ in connection.execute(SQL["ended"], parameters).fetchall():
        yield log_events.key_revoked(id_) if kind == "key" else log_events.endpoint_ended(id_)


def _kept(connection: Connection, parameters: dict[str, str]) -> list[Kept]:
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
