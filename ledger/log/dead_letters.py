"""What is said on `ledger.deadletters` about a record: the same id whoever says it, so that said twice is said once."""

from pydantic import ValidationError

from ledger.core import errors
from ledger.core.errors import Refused, Unusable
from ledger.log.book import UnsignedBook
from ledger.log.validation import Problem, Record
from schemas.dead_letters import DEAD_LETTER, DeadLetter, RecordDeadLettered
from schemas.fields import json_of
from schemas.identity import derived_id

_EXCERPT_CHARACTERS = 500
_SHORT_REASON_CHARACTERS = 500
_SHORT_EXCERPT_CHARACTERS = 100


def codes() -> list[str]:
    """Every code that a dead letter may have: of what can't be used, and what the fold and the book refuse."""
    kinds = (each for each in (*vars(errors).values(), UnsignedBook) if isinstance(each, type))
    return sorted(kind.code for kind in kinds if issubclass(kind, Refused) and kind not in (Refused, Unusable))


def dead_letter_of(source: str, topic: str, partition: int, record: Record, problem: Problem) -> RecordDeadLettered:
    """The dead letter of a record; `topic` is the full name of the topic that it is on."""
    place = f"{topic}/{partition}"
    return RecordDeadLettered(
        source=source,
        id=derived_id(place, "dead-letter", str(record.offset)),
        subject=place,
        data=DeadLetter(
            topic=topic,
            partition=partition,
            offset=record.offset,
            code=problem.code,
            field=problem.field,
            reason=problem.reason,
            excerpt=excerpt_of(record.value),
        ),
    )


def shortened(value: bytes) -> RecordDeadLettered | None:
    """The dead letter of this value, cut down to what any topic takes; None when it is none, or is that short."""
    try:
        letter = DEAD_LETTER.validate_json(value)
    except ValidationError:
        return None
    reason, excerpt = letter.data.reason, letter.data.excerpt
    if len(reason) > _SHORT_REASON_CHARACTERS:
        reason = f"{reason[:_SHORT_REASON_CHARACTERS]}..."
    data = letter.data.model_copy(update={"reason": reason, "excerpt": excerpt[:_SHORT_EXCERPT_CHARACTERS]})
    short = letter.model_copy(update={"data": data})
    return short if len(json_of(short)) < len(value) else None


def excerpt_of(value: bytes | None) -> str:
    """The beginning of a record's value, readable and harmless: what is not printable ASCII is escaped."""
    text = (value or b"")[:_EXCERPT_CHARACTERS].decode("utf-8", "backslashreplace")
    return text.encode("unicode_escape").decode("ascii")[:_EXCERPT_CHARACTERS]
