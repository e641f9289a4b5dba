"""Appends what a command has ended (an account's data, a key) to the log, so that a restored database ends it again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ledger.postgres.types import Connection
    from ledger.settings import Settings
    from schemas.records import Ending

_SECONDS = 10


def append_endings(settings: "Settings", connection: "Connection", noted: "Sequence[Ending]") -> bool:
    """Appends events that are already in the database. False, with a message, if it must happen later or elsewhere."""
    from kafka.errors import KafkaError

    from ledger.core.errors import LedgerError
    from ledger.log.ownership import check_owner
    from ledger.log.publisher import Publisher
    from schemas.topics import RECORDS

    if settings.fold_only:
        typer.echo("This database is a copy: the original does not learn of this.", err=True)
        return False
    if not noted:
        return True
    try:
        check_owner(settings, connection)
        with Publisher(settings, delivery_seconds=_SECONDS) as publisher:
            for append in [publisher.append_event(RECORDS, event, settings.signing_key()) for event in noted]:
                append.position()
    except (LedgerError, KafkaError) as error:
        reason = str(error) or type(error).__name__
        typer.echo(f"Done, but not on the log yet; a worker will append it later: {reason}", err=True)
        return False
    return True
