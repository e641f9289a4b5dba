"""Appends what a command has ended (an account's data, a key) to the log, so that a restored database ends it again."""

from collections.abc import Sequence

from kafka.errors import KafkaError

from ledger.core.errors import LedgerError
from ledger.log.ownership import check_owner
from ledger.log.publisher import Publisher
from ledger.postgres.types import Connection
from ledger.settings import Settings
from schemas.records import Ending
from schemas.topics import RECORDS

_SECONDS = 10


def append_endings(settings: Settings, connection: Connection, endings: Sequence[Ending]) -> str:
    """Appends events that are already in the database. Returns why they are not on the log; "" if they are."""
    if settings.fold_only:
        return "this database is a copy, and the original does not learn of this"
    if not endings:
        return ""
    try:
        check_owner(settings, connection)
        with Publisher(settings, delivery_seconds=_SECONDS) as publisher:
            for append in [publisher.append_event(RECORDS, event, settings.signing_key()) for event in endings]:
                append.position()
    except (LedgerError, KafkaError) as error:
        return f"a worker will append it later: {str(error) or type(error).__name__}"
    return ""
