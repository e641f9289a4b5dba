"""Records of any topic as the events they state, and what their signatures prove: for consumers and for people.

The fold reads `ledger.log.validation.fact_of`, and on `ledger.events` so does this.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from pydantic import ValidationError

from ledger.core.errors import WrongKey
from ledger.log.dead_letters import Problem, invalid, problem_of
from ledger.log.record import PlainRecord, Record
from ledger.log.validation import fact_of
from schemas.book import BOOK as BOOK_SCHEMA
from schemas.book import BookEvent
from schemas.dead_letters import DEAD_LETTER, RecordDeadLettered
from schemas.effects import EFFECT, Effect
from schemas.events import Event
from schemas.records import RECORDS_EVENT, RecordsEvent
from schemas.signatures import signature_of, verifies
from schemas.topics import BOOK, DEAD_LETTERS, EVENTS, RECORDS, TOP_UPS

AnyEvent = Event | Effect | BookEvent | RecordDeadLettered | RecordsEvent
Proof = Literal["none", "valid", "invalid", "unchecked"]

_VALIDATE: dict[str, Callable[[bytes], AnyEvent]] = {
    TOP_UPS: EFFECT.validate_json,
    BOOK: BOOK_SCHEMA.validate_json,
    DEAD_LETTERS: DEAD_LETTER.validate_json,
    RECORDS: RECORDS_EVENT.validate_json,
}


class SignatureCheck(NamedTuple):
    """The key id of a record's signature, and whether it verifies; `unchecked`: this process lacks the key's secret."""

    key_id: str | None
    proof: Proof


def event_of(topic: str, record: Record) -> AnyEvent | Problem:
    """The event of a record, or why it is none. Does not check its signature. `topic` is of schemas.topics."""
    if topic == EVENTS:
        fact = fact_of(PlainRecord(record.key, record.value), {})  # without its headers: only its form is looked at
        return fact if isinstance(fact, Problem) else fact.event
    try:
        event = _VALIDATE[topic](record.value or b"")
    except ValidationError as error:
        return invalid(error)
    if record.key != event.subject.encode():
        return problem_of(WrongKey(field="subject"))
    return event


def signature_check(record: Record, secrets: Mapping[str, bytes]) -> SignatureCheck:
    """What the record's signature is worth."""
    try:
        signature = signature_of(record.headers)
    except ValueError:
        return SignatureCheck(None, "invalid")
    if signature is None:
        return SignatureCheck(None, "none")
    if signature.key_id not in secrets:
        return SignatureCheck(signature.key_id, "unchecked")
    return SignatureCheck(signature.key_id, "valid" if verifies(signature, record.value or b"", secrets) else "invalid")
