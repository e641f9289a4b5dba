"""Checks a record of ledger.events: gives its fact, or why it is a dead letter.

Nothing here depends on the book or on an account: the same record reads the same on any day.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import ValidationError

from ledger.core.entry import Fact, Recovery
from ledger.core.errors import (
    BadSignature,
    Empty,
    TimeOutOfBounds,
    TooLarge,
    WrongKey,
)
from ledger.log.dead_letters import Problem, invalid, problem_of
from ledger.log.record import Record, log_time_ms
from schemas.events import EVENT
from schemas.fields import RECORD_BYTES_MAX
from schemas.identity import content_of, event_id_of
from schemas.recovery import RECOVERED_HEADER, proves, recovery_claim_of
from schemas.signatures import SIGNATURE_HEADER, signature_of, verifies

_validate = EVENT.validator.validate_json


class SkippedRecord(NamedTuple):
    """Takes the place of records that can't be read, after a person has decided to skip them."""

    offset: int
    timestamp: int
    problem: Problem
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


def fact_of(record: Record, secrets: Mapping[str, bytes]) -> Fact | Problem:
    """The fact of a record, after its form and signature were checked; or what is wrong with it."""
    if isinstance(record, SkippedRecord):
        return record.problem
    if record.timestamp != log_time_ms(record):
        return problem_of(TimeOutOfBounds(f"{record.timestamp} ms"))
    value = record.value
    if not value:
        return problem_of(Empty())
    if len(value) > RECORD_BYTES_MAX:
        return problem_of(TooLarge(f"{len(value)}, at most {RECORD_BYTES_MAX}"))
    try:
        event = _validate(value)
    except ValidationError as error:
        return invalid(error)
    if record.key != event.subject.encode():
        return problem_of(WrongKey(field="subject"))
    key_id, recovery = None, None
    if record.headers:
        signer, recovered = signer_of(record, value, secrets), recovery_of(record, value, secrets)
        if isinstance(signer, Problem):
            return signer
        if isinstance(recovered, Problem):
            return recovered
        if recovered and signer not in (None, recovered.key_id):
            return _unproven(RECOVERED_HEADER, f"must be made with the key of {SIGNATURE_HEADER}")
        key_id, recovery = signer, recovered
    return Fact(event, event_id_of(event.source, event.id), content_of(event), key_id, recovery)


def signer_of(record: Record, value: bytes, secrets: Mapping[str, bytes]) -> str | Problem | None:
    """The key id that signed the record; None for a record without a signature. Other headers are ignored."""
    try:
        signature = signature_of(record.headers)
    except ValueError as error:
        return _unproven(SIGNATURE_HEADER, str(error))
    if signature is None:
        return None
    if not verifies(signature, value, secrets):
        return _unproven(SIGNATURE_HEADER, "does not verify with any key of that id")
    return signature.key_id


def recovery_of(record: Record, value: bytes, secrets: Mapping[str, bytes]) -> Recovery | Problem | None:
    """The log time that the record had before the log lost it; None when it claims none."""
    try:
        claim = recovery_claim_of(record.headers)
    except ValueError as error:
        return _unproven(RECOVERED_HEADER, str(error))
    if claim is None:
        return None
    if not proves(claim, value, secrets):
        return _unproven(RECOVERED_HEADER, "does not verify with any key of that id")
    return Recovery(claim.key_id, claim.log_time_ms, record.timestamp)


def _unproven(header: str, what: str) -> Problem:
    return problem_of(BadSignature(what, field=header))
