"""Signatures: every record that a router may not write carries one, in the header `ledger-signature`.

`v1=<key id>:<hex HMAC-SHA256(secret, value)>`. Which key ids are accepted, and when, is the book's; the secrets are
settings. So a stolen router credential can neither mint credits nor charge cards.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SIGNATURE_HEADER = "ledger-signature"
_FORM = re.compile(rb"v1=([!-9;-~]{1,128}):([0-9a-f]{64})")


class Signature(NamedTuple):
    """What a header claims; nothing is proven before `verifies`."""

    key_id: str
    digest: bytes


class SigningKey(NamedTuple):
    """The key that this process signs with."""

    key_id: str
    secret: bytes

    def header(self, value: bytes) -> tuple[str, bytes]:
        """The Kafka header that proves `value`."""
        digest = hmac.digest(self.secret, value, "sha256").hex()
        return SIGNATURE_HEADER, f"v1={self.key_id}:{digest}".encode()


def signature_of(headers: Iterable[tuple[str, bytes | None]]) -> Signature | None:
    """The signature that a record claims; None when it has none. Raises ValueError for a malformed one, or for two."""
    found = [value for name, value in headers if name == SIGNATURE_HEADER]
    if not found:
        return None
    match = _FORM.fullmatch(found[0] or b"") if len(found) == 1 else None
    if match is None:
        raise ValueError("must be one v1=<key id>:<64 hex digits>")
    return Signature(match[1].decode(), match[2])


def verifies(signature: Signature, value: bytes, secrets: Mapping[str, bytes]) -> bool:
    """Whether the secret of the named key made this digest of `value`; False for a key without a secret."""
    secret = secrets.get(signature.key_id)
    if secret is None:
        return False
    return hmac.compare_digest(hmac.digest(secret, value, "sha256").hex().encode(), signature.digest)
