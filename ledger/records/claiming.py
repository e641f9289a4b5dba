"""Claiming the log for this database: noted here, then appended, then read back, since another may have been first."""

from ledger.log.ownership import installation_id, owner_after, read_owner, refuse_another
from ledger.log.publisher import Publisher
from ledger.log.records_log import records_log
from ledger.postgres.types import Connection
from ledger.records import log_events
from ledger.settings import Settings
from schemas.identity import derived_id
from schemas.records import RECORDS_SUBJECT, Claim, LogClaimed
from schemas.topics import RECORDS


def claim(settings: Settings, connection: Connection, *, take_over: bool = False) -> bool:
    """Makes this database the owner of the log. Returns whether it is new. `take_over`: also from another database.

    Raises LogHasAnotherOwner, FoldOnly, LogUnavailable or KafkaError.
    """
    mine = installation_id(connection)
    with records_log(settings) as log:
        owner = read_owner(log)
        if owner == mine:
            return False
        if not take_over:
            refuse_another(owner, mine)
        event = _claim_of(mine, owner)
        with connection.transaction():
            log_events.note(connection, event)
        with Publisher(settings) as publisher:
            publisher.append_event(RECORDS, event, settings.signing_key()).position()
        refuse_another(owner_after(owner, log.to_end()), mine)
    if owner is None:
        log_events.note_read(connection)
    return True


def _claim_of(mine: str, owner: str | None) -> LogClaimed:
    data = Claim(installation_id=mine, taken_from=owner)
    id_ = derived_id(RECORDS_SUBJECT, "log.claimed", mine, owner or "")
    return LogClaimed(source=log_events.SOURCE, id=id_, data=data)
