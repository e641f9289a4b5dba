"""What `ledger.deadletters` says: which record could not be read or applied, and why."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.envelope import Envelope
from schemas.fields import Code, Frozen, Token, matching, says

Offset = Annotated[int, Field(ge=0)]


class DeadLetter(Frozen):
    """Which record, and why."""

    topic: Annotated[Token, says("The topic of the record.")]
    partition: Annotated[Offset, says("Its partition.")]
    offset: Annotated[Offset, says("Its offset: the record is still there.")]
    code: Annotated[Code, says("Why, for programs.")]
    reason: Annotated[str, says("Why, for people; it names the fields, the first 20 of them.")]
    excerpt: Annotated[str, says("The beginning of the record's value; what is not printable ASCII is escaped.")]


class RecordDeadLettered(Envelope):
    """A record could not be read or applied; nothing else stopped for it, and it is still on the log."""

    # topic/partition: a dead letter may not even name an account
    subject: Annotated[str, matching(r"^[!-~]{1,260}$", "topic/partition")]
    type: Literal["record.dead_lettered"] = "record.dead_lettered"
    data: DeadLetter


DEAD_LETTER: TypeAdapter[RecordDeadLettered] = TypeAdapter(RecordDeadLettered)
