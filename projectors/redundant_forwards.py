"""After a rebuild: withdraws forwarded copies of misplaced records whose events are already posted.

A record in a wrong partition is forwarded unless its entry exists. In the first fold its own partition may have posted
the same event before; a rebuild folds the partitions in another order, so it can tell only when all are folded.
"""

from ledger.core.duplicates import is_duplicate
from ledger.core.entry import Fact
from ledger.log.record import PlainRecord
from ledger.log.validation import fact_of
from ledger.postgres.types import Connection
from ledger.records.rebuilds import SQL
from ledger.settings import Settings
from ledger.views.writing import find_posted
from schemas.signatures import SIGNATURE_HEADER
from schemas.topics import EVENTS


def withdraw_redundant_forwards(settings: Settings, connection: Connection, outbox_position: int) -> None:
    """Withdraws the forwards behind a position of the outbox, all unsent, that repeat a posted event."""
    facts: dict[str, Fact] = {}
    for message_id, key, value, signature in connection.execute(
        SQL["new_forwards"], {"after": outbox_position, "topic": EVENTS}
    ):
        headers = ((SIGNATURE_HEADER, signature.encode()),) if signature else ()
        fact = fact_of(PlainRecord(key, value, headers), settings.secrets)
        if isinstance(fact, Fact):
            facts[message_id] = fact
    posted = find_posted(connection, [fact.event_id for fact in facts.values()])
    idle = [message_id for message_id, fact in facts.items() if is_duplicate(fact.content, posted.get(fact.identity))]
    connection.execute(SQL["take_back"], {"ids": idle})
