"""Recovered records: the log had lost them, and got them back from Postgres with the log time that they had before.

The header `ledger-recovered: v1=<key id>:<log time>:<hex HMAC-SHA256(secret, log time and value)>` states that time, in
milliseconds since 1970. It is proven by a key that the book accepts when the record is appended again, so a retired key
can't move anything into the past. It does not sign the event itself: an unsigned event stays unsigned.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.signatures import SigningKey

RECOVERED_HEADER = "ledger-recovered"
_FORM = re.compile(rb"v1=([!-9;-~]{1,128}):([0-9]{1,15}):([0-9a-f]{64})")


class RecoveryClaim(NamedTuple):
    """What a header claims; nothing is proven before `proves`."""

    key_id: str
    log_time_ms: int
    digest: bytes


def recovered_header(key: SigningKey, log_time_ms: int, value: bytes) -> tuple[str, bytes]:
    """The Kafka header that gives `value` the log time that it had before."""
    digest = _digest(key.secret, log_time_ms, value).decode()
    return RECOVERED_HEADER, f"v1={key.key_id}:{log_time_ms}:{digest}".encode()


def recovery_claim_of(headers: Iterable[tuple[str, bytes | None]]) -> RecoveryClaim | None:
    """What a record claims, or None when it claims nothing. Raises ValueError for a malformed claim, or for two."""
    found = [value for name, value in headers if name == RECOVERED_HEADER]
    if not found:
        return None
    match = _FORM.fullmatch(found[0] or b"") if len(found) == 1 else None
    if match is None:
        raise ValueError("must be one v1=<key id>:<milliseconds since 1970>:<64 hex digits>")
    return RecoveryClaim(match[1].decode(), int(match[2]), match[3])


def proves(claim: RecoveryClaim, value: bytes, secrets: Mapping[str, bytes]) -> bool:
    """Whether the secret of the named key made this claim about `value`; False for a key without a secret."""
    secret = secrets.get(claim.key_id)
    return secret is not None and hmac.compare_digest(_digest(secret, claim.log_time_ms, value), claim.digest)


def _digest(secret: bytes, log_time_ms: int, value: bytes) -> bytes:
    """A signature covers a JSON text. This covers a text that is not JSON, so neither can be used as the other."""
    return hmac.digest(secret, b"recovered %d\n" % log_time_ms + value, "sha256").hex().encode()
