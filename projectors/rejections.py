"""Records of the book's topic that are no version of it become dead letters, like any other record that can't be used.

Every process that follows the book rejects the same ones. The worker that owns partition 0 of the events reports them,
from the beginning each time it starts; ids and places make the second report of one harmless.
"""

from collections.abc import Sequence

from ledger.log.book import Rejected
from ledger.records import outbox
from ledger.settings import Settings
from ledger.views.dead_letters import write_dead_letters
from ledger.views.writing import Connection
from projectors.batch import Dead
from projectors.messages import dead_letter_message, dead_row
from schemas.topics import BOOK

REPORTING_PARTITION = 0


def report_rejected(connection: Connection, settings: Settings, rejected: Sequence[Rejected]) -> None:
    """Notes rejected records in the views and sends their dead letters out, in one transaction."""
    topic, key = settings.topic(BOOK), settings.signing_key()
    dead = [Dead(record, None, problem) for record, problem in rejected]
    with connection.transaction():
        write_dead_letters(connection, topic, 0, map(dead_row, dead))
        outbox.put(connection, REPORTING_PARTITION, [dead_letter_message(topic, 0, one, key) for one in dead])
