"""Makes dead letters of records of the book and of ledger.records that can't be used.

All processes that read these topics reject the same records. Workers report them from the beginning at each start; the
ids are derived, so a second report changes nothing.
"""

from collections.abc import Iterable

from ledger.log.dead_letters import Problem
from ledger.log.record import Record
from ledger.postgres.types import Connection
from ledger.records import outbox
from ledger.settings import Settings
from ledger.views.dead_letters import write_dead_letters
from projectors.batch import DeadRecord
from projectors.messages import dead_letter_message, dead_row

REPORTING_PARTITION = 0


def report_rejected(
    connection: Connection, settings: Settings, name: str, rejected: Iterable[tuple[Record, Problem]]
) -> None:
    """Writes rejected records of a topic to the views and sends their dead letters, in one transaction."""
    topic, key = settings.topic(name), settings.signing_key()
    dead = [DeadRecord(record, None, problem) for record, problem in rejected]
    with connection.transaction():
        write_dead_letters(connection, topic, 0, map(dead_row, dead))
        if not settings.fold_only:
            outbox.put(connection, REPORTING_PARTITION, [dead_letter_message(topic, 0, one, key) for one in dead])
