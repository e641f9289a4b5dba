"""Records of the book and of ledger.records that can't be used become dead letters, like any other such record.

Every process that reads them rejects the same ones. Workers report them, from the beginning each time they start; ids
and places make the second report of one harmless.
"""

from collections.abc import Iterable

from ledger.log.validation import Problem, Record
from ledger.postgres.types import Connection
from ledger.records import outbox
from ledger.settings import Settings
from ledger.views.dead_letters import write_dead_letters
from projectors.batch import Dead
from projectors.messages import dead_letter_message, dead_row

REPORTING_PARTITION = 0


def report_rejected(
    connection: Connection, settings: Settings, name: str, rejected: Iterable[tuple[Record, Problem]]
) -> None:
    """Notes rejected records of a topic in the views and sends their dead letters out, in one transaction."""
    topic, key = settings.topic(name), settings.signing_key()
    dead = [Dead(record, None, problem) for record, problem in rejected]
    with connection.transaction():
        write_dead_letters(connection, topic, 0, map(dead_row, dead))
        if not settings.fold_only:
            outbox.put(connection, REPORTING_PARTITION, [dead_letter_message(topic, 0, one, key) for one in dead])
