"""Dead letters: why a record can't be applied, and what is said about it on `ledger.deadletters`.

A dead letter has a code (of an error class of ledger.core.errors), a reason for people, and the field that is wrong.
The id of its event follows from the record's place, so that a second report of the same record is a duplicate.
`ledger.views.dead_letters` has the rows that people list.
"""

from typing import NamedTuple

from pydantic import ValidationError

from ledger.core import errors
from ledger.core.errors import Invalid, LedgerError, Refused, Unusable, text_of
from ledger.log.record import Record
from schemas.dead_letters import DEAD_LETTER, DeadLetter, RecordDeadLettered
from schemas.fields import faults_of, json_of
from schemas.identity import derived_id

_EXCERPT_CHARACTERS = 500
_SHORT_REASON_CHARACTERS = 500
_SHORT_EXCERPT_CHARACTERS = 100


class Problem(NamedTuple):
    """Why a record can't be applied: the code of an error's class, its reason, and the field that it is about.

    `str()` is what people read: "field: reason".
    """

    code: str
    reason: str
    field: str | None = None

    def __str__(self) -> str:
        return text_of(self.field, self.reason)


def problem_of(error: LedgerError) -> Problem:
    """The problem that an error states."""
    return Problem(error.code, error.reason, error.field)


def invalid(error: ValidationError) -> Problem:
    """A record that does not have the form of its type."""
    wrong = faults_of(error)
    return problem_of(Invalid(wrong.reason, field=wrong.field))


def codes() -> list[str]:
    """Every code that a dead letter may have: the codes of all error classes below `Refused`."""
    kinds = (each for each in vars(errors).values() if isinstance(each, type))
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
    """The dead letter of this value, shortened so that any topic takes it. None: no dead letter, or short already."""
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
    """The beginning of a record's value; all but printable ASCII is escaped."""
    text = (value or b"")[:_EXCERPT_CHARACTERS].decode("utf-8", "backslashreplace")
    return text.encode("unicode_escape").decode("ascii")[:_EXCERPT_CHARACTERS]
