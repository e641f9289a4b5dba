"""After a second fold: takes back the misplaced records that it would send on although they are posted at home.

A record in a wrong partition is sent on unless its entry is there. The first fold may have met it after its home had
posted the same event; a second one folds the partitions in another order, and can only tell when all are folded.
"""

from ledger.core.duplicates import is_duplicate
from ledger.core.entry import Fact
from ledger.log.validation import PlainRecord, fact_of
from ledger.postgres.types import Connection
from ledger.records.rebuilds import SQL
from ledger.settings import Settings
from ledger.views.writing import find_posted
from schemas.signatures import SIGNATURE_HEADER
from schemas.topics import EVENTS


def take_back_forwards(settings: Settings, connection: Connection, outbox_position: int) -> None:
    """Of the messages behind a position of the outbox, none of which is out, those that say nothing new."""
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
