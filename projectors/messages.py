"""The messages that a batch sends on Kafka, as outbox rows.

Their ids are derived, so a repeated message counts once.
"""

from ledger.log.dead_letters import dead_letter_of, excerpt_of
from ledger.log.record import Record, log_time_ms
from ledger.records.outbox import Message
from ledger.views.dead_letters import DeadRow
from projectors.batch import DeadRecord
from schemas.effects import Effect
from schemas.envelope import Envelope
from schemas.fields import json_of
from schemas.identity import derived_id
from schemas.signatures import SIGNATURE_HEADER, SigningKey
from schemas.topics import DEAD_LETTERS, EVENTS, TOP_UPS

SOURCE = "ledger/projector"


def effect_message(effect: Effect, key: SigningKey) -> Message:
    """An effect, for consumers."""
    return _signed(TOP_UPS, effect.subject.encode(), effect, key)


def dead_letter_message(topic: str, partition: int, dead: DeadRecord, key: SigningKey) -> Message:
    """A dead letter, for those who watch them. `topic`: the full name of the record's topic."""
    letter = dead_letter_of(SOURCE, topic, partition, dead.record, dead.problem)
    return _signed(DEAD_LETTERS, letter.subject.encode(), letter, key)


def dead_row(dead: DeadRecord) -> DeadRow:
    """A dead letter, as a row of the views."""
    fact = dead.fact
    return DeadRow(
        log_offset=dead.record.offset,
        log_time_ms=log_time_ms(dead.record),
        code=dead.problem.code,
        field=dead.problem.field,
        reason=dead.problem.reason,
        account_id=fact.event.subject if fact else None,
        event_id=fact.event_id if fact else None,
        type=fact.event.type if fact else None,
        excerpt=excerpt_of(dead.record.value),
    )


def forward_message(topic: str, partition: int, record: Record) -> Message:
    """A misplaced record, unchanged, for the partition of its key."""
    message_id = derived_id(f"{topic}/{partition}", "forward", str(record.offset))
    signature = next((value for name, value in record.headers if name == SIGNATURE_HEADER), None)
    return Message(
        message_id, EVENTS, record.key or b"", record.value or b"", signature.decode() if signature else None
    )


def _signed(topic: str, record_key: bytes, event: Envelope, key: SigningKey) -> Message:
    value = json_of(event)
    _, signature = key.header(value)
    return Message(event.id, topic, record_key, value, signature.decode())
