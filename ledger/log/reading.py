"""From a record on the log to a fact, or to the reason why it can't be one.

Nothing here depends on the book or on an account: the same record reads the same on any day.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from ledger.core.calendar import ms_of
from ledger.core.entry import Fact, Recovery
from schemas.events import EVENT
from schemas.fields import RECORD_BYTES_MAX, reasons_of
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
    """Why a record can't be applied: a stable code for programs and a reason for people."""

    code: str
    reason: str


class PassedOver(NamedTuple):
    """In the place of records that can't be read, once a person has decided to go on without them."""

    offset: int
    timestamp: int
    problem: Problem
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


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
        return Problem("time_out_of_bounds", f"its time on the log is {record.timestamp} ms")
    value = record.value
    if not value:
        return Problem("empty", "the record has no value")
    if len(value) > RECORD_BYTES_MAX:
        return Problem("too_large", f"the record has {len(value)} bytes; at most {RECORD_BYTES_MAX} are accepted")
    try:
        event = _validate(value)
    except ValidationError as error:
        return Problem("invalid", reasons_of(error))
    if record.key != event.subject.encode():
        return Problem("wrong_key", "subject: must equal the record's key")
    key_id, recovery = None, None
    if record.headers:
        signer, recovered = signer_of(record, value, secrets), recovery_of(record, value, secrets)
        if isinstance(signer, Problem):
            return signer
        if isinstance(recovered, Problem):
            return recovered
        if recovered and signer not in (None, recovered.key_id):
            return Problem("bad_signature", f"{RECOVERED_HEADER}: must be made with the key of {SIGNATURE_HEADER}")
        key_id, recovery = signer, recovered
    return Fact(event, event_id_of(event.source, event.id), content_of(event), key_id, recovery)


def signer_of(record: Record, value: bytes, secrets: Mapping[str, bytes]) -> str | Problem | None:
    """The key that signed the record; None when it claims no signature (other headers pass)."""
    try:
        signature = signature_of(record.headers)
    except ValueError as error:
        return Problem("bad_signature", f"ledger-signature: {error}")
    if signature is None:
        return None
    if not verifies(signature, value, secrets):
        return Problem("bad_signature", "ledger-signature: does not verify with any key of that id")
    return signature.key_id


def recovery_of(record: Record, value: bytes, secrets: Mapping[str, bytes]) -> Recovery | Problem | None:
    """The log time that the record had before the log lost it; None when it claims none."""
    try:
        claim = recovery_claim_of(record.headers)
    except ValueError as error:
        return Problem("bad_signature", f"{RECOVERED_HEADER}: {error}")
    if claim is None:
        return None
    if not proves(claim, value, secrets):
        return Problem("bad_signature", f"{RECOVERED_HEADER}: does not verify with any key of that id")
    return Recovery(claim.key_id, claim.log_time_ms, record.timestamp)
