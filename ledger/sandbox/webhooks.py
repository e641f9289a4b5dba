"""Webhooks: written in the transaction that they tell of, then delivered, signed, and repeated until somebody says 2xx.

Deliveries wait in the store, so that a restart loses none. Their times are the sandbox's: who puts the clock forward
need not wait for a retry.
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
# (body, secret, the message's id) → headers that prove the body.
Sign = Callable[[bytes, str, str], Mapping[str, str]]

log = structlog.get_logger()


class Target(NamedTuple):
    """Where a provider's webhooks go, and the secret that they are signed with."""

    url: str
    secret: str


class Webhooks:
    """Everything that was told, and what is still to be delivered."""

    def __init__(self, store: Store, clock: Clock, faults: Faults, signs: Mapping[str, Sign]) -> None:
        self._store, self._clock, self._faults, self._signs = store, clock, faults, signs

    def aim(self, provider: str, target: Target) -> None:
        """From now on the provider's webhooks go there."""
        self._store.put(_TARGET, {"id": provider, **target._asdict()})

    def tell(self, provider: str, event_id: str, type_: str, body: str) -> None:
        """Keeps a message and has it delivered, in the caller's transaction. Nobody listens: it is only kept."""
        self._store.put(
            _MESSAGE, {"id": event_id, "provider": provider, "type": type_, "body": body, "deliveries": [], "lost": 0}
        )
        faults = {fault.fault: fault for fault in self._faults.of_webhook(provider, type_)}
        if "lost" in faults:
            self._note(event_id, lost=1)
            return
        for _ in range(2 if "doubled" in faults else 1):
            late = sum(faults[name].lateness() for name in ("shuffled", "delayed") if name in faults)
            self._enqueue(provider, event_id, late)

    def resend(self, event_id: str) -> bool:
        """Delivers a message once more, whatever faults there are; False when there is no such message."""
        message = self._store.get(_MESSAGE, event_id)
        if message is not None:
            self._enqueue(message["provider"], event_id, 0)
        return message is not None

    def messages(self, provider: str | None = None) -> list[Document]:
        """What was told, newest first, each with the statuses that its deliveries met."""
        return list(self._store.find(_MESSAGE, **({"provider": provider} if provider else {})))

    def waiting(self) -> int:
        """Deliveries that nobody has taken yet."""
        return sum(1 for _ in self._store.find(_WAITING))

    async def deliver(self) -> None:
        """Delivers what is due, several at a time and in no certain order, until it is cancelled."""
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
        """One delivery; what was not taken is tried again, later and later, for three days."""
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
        """The status of the answer; 0 without one."""
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
        """What became of a message, for whoever looks."""
        message = self._store.get(_MESSAGE, event_id)
        assert message is not None
        message["lost"] += lost
        message["deliveries"] += [status] if status is not None else []
        self._store.put(_MESSAGE, message)
