"""Stripe's idempotency keys: the first response is replayed for 24 hours, also if it was an error."""

import hashlib
import json
from typing import Any, NamedTuple

from ledger.sandbox.sandbox import Sandbox
from ledger.sandbox.stripe.errors import IDEMPOTENCY, ApiError

KEEP_SECONDS = 24 * 3600
_KIND = "stripe.idempotency_key"


class StoredResponse(NamedTuple):
    """The response to the request with this id."""

    status: int
    body: dict[str, Any]
    request_id: str
    replayed: bool = False


class IdempotencyKeys:
    """All keys of the account. A request that is refused before it begins is not stored."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._in_use: dict[str, str] = {}

    def begin(self, key: str | None, request_id: str) -> None:
        """A request with the key begins. Raises ApiError while another one with it is running."""
        if key is None:
            return
        if key in self._in_use:
            raise ApiError(
                409,
                IDEMPOTENCY,
                "There is currently another in-progress request using this Idempotent Key. Please try again later.",
                "idempotency_key_in_use",
            )
        self._in_use[key] = request_id

    def end(self, key: str | None, request_id: str) -> None:
        """The request has ended, whether its response arrives or not. A second call does nothing."""
        if key is not None and self._in_use.get(key) == request_id:
            del self._in_use[key]

    def stored(self, key: str, request: str) -> StoredResponse | None:
        """The first response to this request; None if there is none.

        Raises ApiError if the key was used for another request.
        """
        found = self._sandbox.store.get(_KIND, key)
        if found is None or found["created"] + KEEP_SECONDS <= self._sandbox.clock.now():
            return None
        if found["request"] != request:
            raise ApiError(
                400,
                IDEMPOTENCY,
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
            )
        return StoredResponse(found["status"], found["body"], found["request_id"], replayed=True)

    def store(self, key: str, request: str, answer: StoredResponse) -> None:
        """Stores the first response."""
        now = self._sandbox.clock.now()
        document = {"id": key, "request": request, "created": now, **answer._asdict()}
        self._sandbox.store.put(_KIND, document)


def fingerprint(method: str, path: str, given: dict[str, Any]) -> str:
    """A hash of the request, independent of the order of its parameters."""
    return hashlib.sha256(json.dumps([method, path, given], sort_keys=True).encode()).hexdigest()
