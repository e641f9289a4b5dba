"""The owner of the log: one database folds it and writes to it. Others are refused, unless they are set up as copies.

Each database has an id from its first migration on. Its dumps carry it, so that a restored database is the same one.
The first to start claims the log by an event on `ledger.records`; another takes it over when a person asks for it.
"""

from collections.abc import Iterable

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.records_log import RecordsLog, records_log
from ledger.postgres.types import Connection
from ledger.settings import Settings
from schemas.records import LogClaimed, RecordsEvent


class LogHasAnotherOwner(LedgerError, exit_code=EXIT_CONFIG):
    message = "Another database folds this log; to fold a copy of it, set LEDGER_FOLD_ONLY=true (docs/how-to/copies.md)"


def owner_after(owner: str | None, events: Iterable[RecordsEvent]) -> str | None:
    """The owner of the log after these events. A claim counts if it names the owner before it, None for none."""
    for event in events:
        if isinstance(event, LogClaimed) and event.data.taken_from == owner:
            owner = event.data.installation_id
    return owner


def installation_id(connection: Connection) -> str:
    """The id of this database. Its copies and its restored dumps have the same id."""
    row = connection.execute("SELECT installation_id::text FROM records.installation").fetchone()
    assert row, "the migration that makes the table inserts its row"
    return str(row[0])


def check_owner(settings: Settings, connection: Connection) -> None:
    """Raises LogHasAnotherOwner, unless the log belongs to this database or to none; KafkaError."""
    mine = installation_id(connection)
    with records_log(settings) as log:
        refuse_another(read_owner(log), mine)


def read_owner(log: RecordsLog) -> str | None:
    """The owner of the log. Raises LogHasAnotherOwner when its records are signed with keys that we don't have."""
    events = log.to_end()
    if log.rejected and not any(isinstance(event, LogClaimed) for event in events):
        raise LogHasAnotherOwner("its signing keys are not those of LEDGER_SIGNING_KEYS")
    return owner_after(None, events)


def refuse_another(owner: str | None, mine: str) -> None:
    """Raises LogHasAnotherOwner, unless the owner is this database, or there is none."""
    if owner not in (None, mine):
        raise LogHasAnotherOwner(f"the log is of installation {owner}, this database is {mine}")
