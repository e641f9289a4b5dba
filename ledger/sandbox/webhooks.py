"""Webhooks: stored in the transaction of the change that they report, then signed and delivered until the receiver
answers with 2xx.

Deliveries wait in the store, so a restart loses none. They are due by the sandbox's clock, so a test that advances the
clock need not wait for a retry.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import NamedTuple

import httpx
import structlog

from ledger.sandbox.clock import Clock
from ledger.sandbox.faults import Faults
from ledger.sandbox.store import Document, Store

POLL_SECONDS = 0.05
TIMEOUT_SECONDS = 10
BACKOFF_SECONDS_MIN = 1
BACKOFF_SECONDS_MAX = 3600
GIVE_UP_SECONDS = 3 * 86400
AT_ONCE = 8

_TARGET, _MESSAGE, _WAITING = "sandbox.webhook_target", "sandbox.webhook", "sandbox.webhook_delivery"
# (body, secret, event id) → headers with the signature.
Sign = Callable[[bytes, str, str], Mapping[str, str]]

log = structlog.get_logger()


class Target(NamedTuple):
    """The URL that receives a provider's webhooks, and the secret that signs them."""

    url: str
    secret: str


class Webhooks:
    """The webhooks of all providers, and their deliveries."""

    def __init__(self, store: Store, clock: Clock, faults: Faults, signs: Mapping[str, Sign]) -> None:
        self._store, self._clock, self._faults, self._signs = store, clock, faults, signs

    def set_target(self, provider: str, target: Target) -> None:
        """Sends the provider's webhooks to this target from now on."""
        self._store.put(_TARGET, {"id": provider, **target._asdict()})

    def emit(self, provider: str, event_id: str, type_: str, body: str) -> None:
        """Stores a webhook and queues its delivery, in the caller's transaction. Without a target it is only stored."""
        self._store.put(
            _MESSAGE, {"id": event_id, "provider": provider, "type": type_, "body": body, "deliveries": [], "lost": 0}
        )
        faults = {fault.fault: fault for fault in self._faults.of_webhook(provider, type_)}
        if "lost" in faults:
            self._note(event_id, lost=1)
            return
        for _ in range(2 if "doubled" in faults else 1):
            late = sum(faults[name].delay_seconds() for name in ("shuffled", "delayed") if name in faults)
            self._enqueue(provider, event_id, late)

    def resend(self, event_id: str) -> bool:
        """Delivers a webhook once more, without faults. False if there is no such webhook."""
        message = self._store.get(_MESSAGE, event_id)
        if message is not None:
            self._enqueue(message["provider"], event_id, 0)
        return message is not None

    def messages(self, provider: str | None = None) -> list[Document]:
        """The webhooks so far, newest first, each with the HTTP statuses of its deliveries."""
        return list(self._store.find(_MESSAGE, **({"provider": provider} if provider else {})))

    def waiting(self) -> int:
        """How many deliveries have not succeeded yet."""
        return sum(1 for _ in self._store.find(_WAITING))

    async def deliver(self) -> None:
        """Delivers what is due, several at a time and in no fixed order, until it is cancelled."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as http, asyncio.TaskGroup() as tasks:
            running: dict[str, asyncio.Task[None]] = {}
            while True:
                running = {id_: task for id_, task in running.items() if not task.done()}
                for each in self._store.due(_WAITING, self._clock.exact(), 2 * AT_ONCE):
                    if each["id"] not in running and len(running) < AT_ONCE:
                        running[each["id"]] = tasks.create_task(self._attempt(http, each))
                await asyncio.sleep(POLL_SECONDS)

    def _enqueue(self, provider: str, event_id: str, late: float) -> None:
        if self._store.get(_TARGET, provider) is None:
            return
        now = self._clock.exact()
        delivery = {"id": secrets.token_hex(8), "event": event_id, "due": now + late, "since": now, "attempts": 0}
        self._store.put(_WAITING, delivery)

    async def _attempt(self, http: httpx.AsyncClient, delivery: Document) -> None:
        """One delivery. If it fails it is retried for three days, with growing pauses."""
        message = self._store.get(_MESSAGE, delivery["event"])
        assert message is not None
        status = await self._post(http, message)
        self._note(message["id"], status=status)
        attempts, now = delivery["attempts"] + 1, self._clock.exact()
        if 200 <= status < 300 or now - delivery["since"] > GIVE_UP_SECONDS:
            self._store.remove(_WAITING, delivery["id"])
            return
        pause = min(BACKOFF_SECONDS_MIN * 2 ** (attempts - 1), BACKOFF_SECONDS_MAX)
        self._store.put(_WAITING, {**delivery, "attempts": attempts, "due": now + pause})

    async def _post(self, http: httpx.AsyncClient, message: Document) -> int:
        """The HTTP status of the response; 0 without a response."""
        provider, body = message["provider"], message["body"].encode()
        target = self._store.get(_TARGET, provider)
        assert target is not None
        proof = self._signs[provider](body, target["secret"], message["id"])
        try:
            answer = await http.post(target["url"], content=body, headers={"Content-Type": "application/json", **proof})
        except httpx.HTTPError as error:
            log.warning("webhook_not_delivered", type=message["type"], error=type(error).__name__)
            return 0
        return answer.status_code

    def _note(self, event_id: str, status: int | None = None, lost: int = 0) -> None:
        """Records the result of a delivery, for the control routes."""
        message = self._store.get(_MESSAGE, event_id)
        assert message is not None
        message["lost"] += lost
        message["deliveries"] += [status] if status is not None else []
        self._store.put(_MESSAGE, message)
