"""A customer's personal data: erased here, and on the log, so that a restored database is erased again."""

from typing import NamedTuple

from ledger.log.endings import append_endings
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
from ledger.records import erasing
from ledger.records.erasing import Kept
from ledger.settings import Settings


class Erased(NamedTuple):
    """The number of erased rows by kind, and what is kept. `not_on_log`: why the log lacks the erasure, or ""."""

    rows: dict[str, int]
    kept: list[Kept]
    not_on_log: str


def erase(settings: Settings, account_id: str) -> Erased:
    """Erases all or nothing; again, it erases nothing. Raises NotInvoicedYet, RebuildRunning or RebuildUnfinished."""
    with connect(settings.database, COMMAND_AUTOCOMMIT) as connection:
        invoiced = bool(settings.supplier.name) and not settings.fold_only
        done = erasing.erase(connection, account_id, invoiced=invoiced, on_log=not settings.fold_only)
        return Erased(done.erased, done.kept, append_endings(settings, connection, done.noted))
