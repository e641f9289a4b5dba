"""What is said on `ledger.deadletters` about a record: the same id whoever says it, so that said twice is said once."""

from ledger.core import errors
from ledger.core.errors import Refused
from ledger.log.book import UnsignedBook
from ledger.log.reading import Problem, Record
from schemas.dead_letters import DeadLetter, RecordDeadLettered
from schemas.identity import derived_id

_EXCERPT_CHARACTERS = 500
# Of what can't be read or stored; all others are what the fold and the book refuse.
_UNREADABLE = ("bad_signature", "empty", "id_reused", "invalid", "refused_by_database", "too_large", "wrong_key")


def codes() -> list[str]:
    """Every code that a dead letter may have."""
    kinds = (each for each in (*vars(errors).values(), UnsignedBook) if isinstance(each, type))
    return sorted({*_UNREADABLE, *(kind().code for kind in kinds if issubclass(kind, Refused) and kind is not Refused)})


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
            reason=problem.reason,
            excerpt=excerpt_of(record.value),
        ),
    )


def excerpt_of(value: bytes | None) -> str:
    """The beginning of a record's value, readable and harmless: what is not printable ASCII is escaped."""
    text = (value or b"")[:_EXCERPT_CHARACTERS].decode("utf-8", "backslashreplace")
    return text.encode("unicode_escape").decode("ascii")[:_EXCERPT_CHARACTERS]
