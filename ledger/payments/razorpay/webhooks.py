"""Razorpay's webhooks: verified and read.

Only the body is signed. So the event's id is made from the body, not from the header `x-razorpay-event-id`. The body
has no time of sending, so a message that was intercepted can be sent again: handling it must be idempotent.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from ledger.payments.gateway import WebhookForged, WebhookUnreadable
from ledger.payments.razorpay.api import invalid_fields
from ledger.payments.razorpay.entities import Entity

_E = TypeVar("_E", bound=Entity)


class Message(NamedTuple):
    """A verified webhook. `event`: such as payment.captured. `created_at`: seconds since 1970."""

    event_id: str
    event: str
    created_at: int
    payload: dict[str, Any]

    def entity(self, name: str, kind: type[_E]) -> _E:
        """One of the entities in it. Raises WebhookUnreadable."""
        try:
            return kind.model_validate(_entity(self.payload, name))
        except ValidationError as error:
            raise WebhookUnreadable(invalid_fields(error), field=f"payload.{name}.entity") from None


def signed(text: bytes, signature: str, secrets: Sequence[bytes]) -> bool:
    """Whether one of the secrets made this signature (hex HMAC-SHA256), compared in constant time."""
    given = signature.encode(errors="replace")
    made = [hmac.digest(secret, text, "sha256").hex().encode() for secret in secrets]
    return any([hmac.compare_digest(one, given) for one in made])  # a list: every one is compared


def read(raw: bytes, signature: str, secrets: Sequence[bytes]) -> Message:
    """Verifies and reads a webhook. Raises WebhookForged or WebhookUnreadable."""
    if not signed(raw, signature, secrets):
        raise WebhookForged("x-razorpay-signature")
    body = _object(raw)
    event, created_at, payload = body.get("event"), body.get("created_at"), body.get("payload")
    if not isinstance(event, str):
        raise WebhookUnreadable("must be a text", field="event")
    if type(created_at) is not int:
        raise WebhookUnreadable("must be a number of seconds", field="created_at")
    if not isinstance(payload, dict):
        raise WebhookUnreadable("must be an object", field="payload")
    subject = _entity(payload, _subject(event)).get("id") or hashlib.sha256(raw).hexdigest()
    return Message(f"{subject}:{event}:{created_at}", event, created_at, payload)


def _subject(event: str) -> str:
    """The kind of entity of an event: payment.captured → payment, payment.dispute.won → dispute."""
    return event.split(".")[-2] if "." in event else event


def _entity(payload: dict[str, Any], name: str) -> dict[str, Any]:
    holder = payload.get(name)
    entity = holder.get("entity") if isinstance(holder, dict) else None
    return entity if isinstance(entity, dict) else {}


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        raise WebhookUnreadable("the body is no JSON") from None
    if not isinstance(body, dict):
        raise WebhookUnreadable("the body is no JSON object")
    return body
