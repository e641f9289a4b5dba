"""What a command ended is said on the log before the command ends, so that no restore brings it back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ledger.postgres.types import Connection
    from ledger.settings import Settings
    from schemas.records import Ending

_SECONDS = 10


def say(settings: "Settings", connection: "Connection", noted: "Sequence[Ending]") -> bool:
    """Appends what is noted already; False, and a sentence, when that must wait. A copy keeps it to itself."""
    from kafka.errors import KafkaError

    from ledger.core.errors import LedgerError
    from ledger.log.ownership import check_owner
    from ledger.log.publisher import Publisher
    from schemas.topics import RECORDS

    if settings.fold_only:
        typer.echo("This is a copy: what was ended here is not ended in its original.", err=True)
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
        typer.echo(f"It is done, but not on the log yet, where a worker will append it: {reason}", err=True)
        return False
    return True
