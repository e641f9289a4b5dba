"""From a record on the log to a fact, or to the reason why it can't be one.

Nothing here depends on the book or on an account: the same record reads the same on any day.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from ledger.core.calendar import ms_of
from ledger.core.entry import Fact, Recovery
from ledger.core.errors import (
    BadSignature,
    Empty,
    Invalid,
    LedgerError,
    TimeOutOfBounds,
    TooLarge,
    WrongKey,
    text_of,
)
from schemas.events import EVENT
from schemas.fields import RECORD_BYTES_MAX, faults_of
from schemas.identity import content_of, event_id_of
from schemas.recovery import RECOVERED_HEADER, proves, recovery_claim_of
from schemas.signatures import SIGNATURE_HEADER, signature_of, verifies

_validate = EVENT.validator.validate_json


class Record(Protocol):
    """What of a Kafka client's record is read here."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...


class PlainRecord(NamedTuple):
    """What of a record is read here, without a Kafka client: one that is to be appended, or a part of another."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    offset: int = -1
    timestamp: int = 0


class Problem(NamedTuple):
    """Why a record can't be applied: the code of an error's class, its reason, and the field that it is about.

    `str()` is what people read: "field: reason".
    """

    code: str
    reason: str
    field: str | None = None

    def __str__(self) -> str:
        return text_of(self.field, self.reason)


class PassedOver(NamedTuple):
    """In the place of records that can't be read, once a person has decided to go on without them."""

    offset: int
    timestamp: int
    problem: Problem
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


def problem_of(error: LedgerError) -> Problem:
    """An error as what is wrong with a record."""
    return Problem(error.code, error.reason, error.field)


def invalid(error: ValidationError) -> Problem:
    """A record that does not have the form of its type."""
    wrong = faults_of(error)
    return problem_of(Invalid(wrong.reason, field=wrong.field))


# Brokers stamp records themselves, on a topic that was not changed: no other time has ever been one of the log.
LOG_TIME_MAX_MS = ms_of(datetime(2200, 1, 1, tzinfo=UTC))


def log_time_ms(record: Record) -> int:
    """When the record was appended, within what can be a time of the log."""
    return min(max(record.timestamp, 0), LOG_TIME_MAX_MS)


def fact_of(record: Record, secrets: Mapping[str, bytes]) -> Fact | Problem:
    """The fact that a record states, its form and its signature checked, or what is wrong with it."""
    if isinstance(record, PassedOver):
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
    """The key that signed the record; None when it claims no signature (other headers pass)."""
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
