"""Signatures of webhooks by Standard Webhooks 1.0: HMAC-SHA256 over id, time and body, by a secret of the endpoint."""

import base64
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"


def new_secret() -> str:
    """A secret of 32 random bytes in the form that libraries of Standard Webhooks take."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(message_id: str, timestamp: int, body: bytes, by: Sequence[str]) -> dict[str, str]:
    """The headers of a message, with a signature by each of the secrets; there must be one."""
    assert by, "nothing goes out unsigned"
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in by),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
