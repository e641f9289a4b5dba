"""The events of `ledger.deadletters`: which record could not be read or applied, and why.

Every reason is an error class below `Refused` in ledger/core/errors.py; `ledger.log.dead_letters.codes` lists them.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.envelope import Envelope
from schemas.fields import Code, FieldName, Frozen, Token, described, matching

Offset = Annotated[int, Field(ge=0)]


class DeadLetter(Frozen):
    """Which record, and why."""

    topic: Annotated[Token, described("The topic of the record.")]
    partition: Annotated[Offset, described("Its partition.")]
    offset: Annotated[Offset, described("Its offset; the record is still on the log.")]
    code: Annotated[Code, described("The reason, for programs.")]
    field: Annotated[FieldName | None, described("The first field that is wrong. Absent: the whole record is.")] = None
    reason: Annotated[
        str, described("What is wrong with the field, for people; then up to 19 further fields, each with its name.")
    ]
    excerpt: Annotated[
        str, described("The beginning of the record's value, with everything escaped that is not printable ASCII.")
    ]


class RecordDeadLettered(Envelope):
    """A record could not be read or applied. Other records are not affected, and the record is still on the log."""

    # topic/partition, because a record that can't be read names no account
    subject: Annotated[str, matching(r"^[!-~]{1,260}$", "topic/partition")]
    type: Literal["record.dead_lettered"] = "record.dead_lettered"
    data: DeadLetter


DEAD_LETTER: TypeAdapter[RecordDeadLettered] = TypeAdapter(RecordDeadLettered)
