"""Idempotency keys as Stripe keeps them: the first answer is replayed for 24 hours, whatever it was."""

import hashlib
import json
from typing import Any, NamedTuple

from ledger.sandbox.parts import Sandbox
from ledger.sandbox.stripe.errors import IDEMPOTENCY, Refusal

KEEP_SECONDS = 24 * 3600
_KIND = "stripe.idempotency_key"


class Answer(NamedTuple):
    """What was answered to the request with this id."""

    status: int
    body: dict[str, Any]
    request_id: str
    replayed: bool = False


class Keys:
    """All keys of the account. A request that is refused before it is begun is not kept."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._in_use: dict[str, str] = {}

    def take(self, key: str | None, request_id: str) -> None:
        """A request with the key begins. Refused while another one with it is under way."""
        if key is None:
            return
        if key in self._in_use:
            raise Refusal(
                409,
                IDEMPOTENCY,
                "There is currently another in-progress request using this Idempotent Key. Please try again later.",
                "idempotency_key_in_use",
            )
        self._in_use[key] = request_id

    def release(self, key: str | None, request_id: str) -> None:
        """The request is done, whether its answer arrives or not; harmless when it was released before."""
        if key is not None and self._in_use.get(key) == request_id:
            del self._in_use[key]

    def kept(self, key: str, request: str) -> Answer | None:
        """The first answer to this request. Refused when the key was used for another one."""
        found = self._sandbox.store.get(_KIND, key)
        if found is None or found["created"] + KEEP_SECONDS <= self._sandbox.clock.now():
            return None
        if found["request"] != request:
            raise Refusal(
                400,
                IDEMPOTENCY,
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
            )
        return Answer(found["status"], found["body"], found["request_id"], replayed=True)

    def keep(self, key: str, request: str, answer: Answer) -> None:
        """Keeps the first answer."""
        now = self._sandbox.clock.now()
        document = {"id": key, "request": request, "created": now, **answer._asdict()}
        self._sandbox.store.put(_KIND, document)


def fingerprint(method: str, path: str, given: dict[str, Any]) -> str:
    """What a request asks for, whatever the order of its parameters."""
    return hashlib.sha256(json.dumps([method, path, given], sort_keys=True).encode()).hexdigest()
