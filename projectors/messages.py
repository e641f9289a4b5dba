"""What a batch has to say on Kafka, as outbox messages. Ids follow from their cause: said twice is said once."""

from ledger.log.dead_letters import dead_letter_of, excerpt_of
from ledger.log.validation import Record, log_time_ms
from ledger.records.outbox import Message
from ledger.views.dead_letters import DeadRow
from projectors.batch import Dead
from schemas.effects import Effect
from schemas.envelope import Envelope
from schemas.fields import json_of
from schemas.identity import derived_id
from schemas.signatures import SIGNATURE_HEADER, SigningKey
from schemas.topics import DEAD_LETTERS, EVENTS, TOP_UPS

SOURCE = "ledger/projector"


def effect_message(effect: Effect, key: SigningKey) -> Message:
    """An effect for consumers."""
    return _signed(TOP_UPS, effect.subject.encode(), effect, key)


def dead_letter_message(topic: str, partition: int, dead: Dead, key: SigningKey) -> Message:
    """A dead letter for whoever watches them; `topic` is the full name of the topic that the record is on."""
    letter = dead_letter_of(SOURCE, topic, partition, dead.record, dead.problem)
    return _signed(DEAD_LETTERS, letter.subject.encode(), letter, key)


def dead_row(dead: Dead) -> DeadRow:
    """The same for the views."""
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
    """A misplaced record, unchanged, for the partition that its key belongs to."""
    message_id = derived_id(f"{topic}/{partition}", "forward", str(record.offset))
    signature = next((value for name, value in record.headers if name == SIGNATURE_HEADER), None)
    return Message(
        message_id, EVENTS, record.key or b"", record.value or b"", signature.decode() if signature else None
    )


def _signed(topic: str, record_key: bytes, event: Envelope, key: SigningKey) -> Message:
    value = json_of(event)
    _, signature = key.header(value)
    return Message(event.id, topic, record_key, value, signature.decode())
