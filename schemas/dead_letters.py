"""What `ledger.deadletters` says: which record could not be read or applied, and why."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.envelope import Envelope
from schemas.fields import Code, Frozen, Token, matching

Offset = Annotated[int, Field(ge=0)]


class DeadLetter(Frozen):
    """`excerpt`: the beginning of the record's value, what is not printable ASCII escaped."""

    topic: Token
    partition: Offset
    offset: Offset
    code: Code
    reason: str
    excerpt: str


class RecordDeadLettered(Envelope):
    """A record could not be read or applied; nothing else stopped for it, and it is still on the log."""

    # topic/partition: a dead letter may not even name an account
    subject: Annotated[str, matching(r"^[!-~]{1,260}$", "topic/partition")]
    type: Literal["record.dead_lettered"] = "record.dead_lettered"
    data: DeadLetter


DEAD_LETTER: TypeAdapter[RecordDeadLettered] = TypeAdapter(RecordDeadLettered)
