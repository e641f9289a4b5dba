"""What `ledger.deadletters` says: which record could not be read or applied, and why."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.envelope import Envelope
from schemas.fields import Code, FieldName, Frozen, Token, described, matching

Offset = Annotated[int, Field(ge=0)]


class DeadLetter(Frozen):
    """Which record, and why."""

    topic: Annotated[Token, described("The topic of the record.")]
    partition: Annotated[Offset, described("Its partition.")]
    offset: Annotated[Offset, described("Its offset: the record is still there.")]
    code: Annotated[Code, described("Why, for programs.")]
    field: Annotated[
        FieldName | None, described("The field that is wrong, the first one; absent when it is the whole record.")
    ] = None
    reason: Annotated[str, described("What is wrong with it, for people; further fields are named, 20 at most.")]
    excerpt: Annotated[str, described("The beginning of the record's value; what is not printable ASCII is escaped.")]


class RecordDeadLettered(Envelope):
    """A record could not be read or applied; nothing else stopped for it, and it is still on the log."""

    # topic/partition: a dead letter may not even name an account
    subject: Annotated[str, matching(r"^[!-~]{1,260}$", "topic/partition")]
    type: Literal["record.dead_lettered"] = "record.dead_lettered"
    data: DeadLetter


DEAD_LETTER: TypeAdapter[RecordDeadLettered] = TypeAdapter(RecordDeadLettered)
