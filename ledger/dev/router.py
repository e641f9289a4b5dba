"""A simulated router: asks before each request, publishes what the request used, obeys a 402; counts what it did.

It uses what a real one would: `POST /v1/authorizations` over HTTP and usage events over Kafka. While either is away
it waits and tries again with the same id, so nothing is lost or counted twice by it.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, NamedTuple

import httpx

from ledger.dev.board import Board
from ledger.dev.visibility import Visibility
from ledger.log.publisher import LogUnavailable, Position, Publisher
from ledger.settings import Settings
from schemas.events import (
    Charged,
    CreditsPurchased,
    Event,
    Purchase,
    Trace,
    TraceRecorded,
    Usage,
    UsageRecorded,
)
from schemas.identity import time_ordered_id
from schemas.topics import EVENTS

SOURCE = "router/simulated"
PROVIDER = "sandbox"
RETRY_SECONDS = 0.5
BUSY = {429, 503}
ANSWERS = {402, 404}


class RouterRefused(Exception):
    """The API answered something that a router can't go on from."""


class Request(NamedTuple):
    """One model call that a customer wants: what it will use, and the credits to hold for it."""

    provider: str
    model: str
    mode: str
    input_tokens: int
    output_tokens: int
    hold: str


class Allowed(NamedTuple):
    """A request may run. Its usage names the authorization when that has an id, and so holds credits."""

    authorization_id: str | None


class Router:
    """One simulated router; its stories share it."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        http: httpx.AsyncClient,
        visibility: Visibility,
        board: Board,
    ) -> None:
        self._signing_key = settings.signing_key()
        self._publisher, self.http, self._visibility = publisher, http, visibility
        self._board = board
        self.counts: Counter[str] = Counter()

    async def request(self, account_id: str, request: Request) -> UsageRecorded | None:
        """Asks, then runs the request and publishes its usage; None when the account was refused (402)."""
        answer = await self.authorize(account_id, request.hold)
        if answer is None:
            return None
        event = usage_event(account_id, request, answer.authorization_id)
        await self.publish(event)
        return event

    async def authorize(self, account_id: str, amount: str) -> Allowed | None:
        """Whether a request of so many credits may run; None when the answer was 402."""
        answer = await self._call("POST", "/v1/authorizations", {"account_id": account_id, "amount": amount})
        allowed = answer.status_code != 402
        self.counts["authorized" if allowed else "refused"] += 1
        self._board.allowed(account_id, allowed)
        return Allowed(answer.json().get("id")) if allowed else None

    def said(self, account_id: str, sentence: str) -> None:
        """Tells the board the last thing that happened to an account."""
        self._board.said(account_id, sentence)

    async def publish(self, event: Event, *, signed: bool = False) -> Position:
        """Appends an event and waits for the acknowledgement; while Kafka is away, again and again."""
        sent_at = time.monotonic()
        while True:
            try:
                append = self._publisher.append_event(EVENTS, event, self._signing_key if signed else None)
                position = await append.acknowledged()
                break
            except LogUnavailable:
                self.said(event.subject, "Kafka does not acknowledge; sending it again")
                await asyncio.sleep(RETRY_SECONDS)
        self.counts["published"] += 1
        self._visibility.sample(position.partition, position.offset, sent_at)
        return position

    async def publish_raw(self, account_id: str, value: bytes) -> Position:
        """Appends bytes as they are, as a broken client would."""
        sent_at = time.monotonic()
        position = await self._publisher.append(EVENTS, account_id.encode(), value).acknowledged()
        self.counts["published"] += 1
        self._visibility.sample(position.partition, position.offset, sent_at)
        return position

    async def buy(self, account_id: str, credits: str) -> None:
        """Says, signed, that the customer has paid somewhere else."""
        await self.publish(purchase_event(account_id, credits), signed=True)

    async def get(self, path: str) -> dict[str, Any]:
        """Reads something through the API."""
        found: dict[str, Any] = (await self._call("GET", path, None)).json()
        return found

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Makes something through the API."""
        made: dict[str, Any] = (await self._call("POST", path, body)).json()
        return made

    async def put(self, path: str, body: dict[str, Any]) -> None:
        """Sets something through the API."""
        await self._call("PUT", path, body)

    async def open(self, account_id: str, package: str) -> None:
        """Opens an account and waits until it is known; one that an earlier run opened stays as it is."""
        path = f"/v1/accounts/{account_id}"
        if (await self._call("GET", path, None)).status_code == 404:
            await self._call("POST", "/v1/accounts", {"account_id": account_id, "package": package})
        while (await self._call("GET", path, None)).status_code == 404:  # the answer was 202: projection is late
            await asyncio.sleep(RETRY_SECONDS)

    async def account(self, account_id: str) -> dict[str, Any]:
        """What the API says about an account."""
        return await self.get(f"/v1/accounts/{account_id}")

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        """One call that ends with an answer a router can use: it outlasts an API that is starting again or busy."""
        idempotency = {"Idempotency-Key": time_ordered_id()} if body else {}
        answer = await self._until_answered(lambda: self.http.request(method, path, json=body, headers=idempotency))
        if answer.is_success or answer.status_code in ANSWERS:
            return answer
        raise RouterRefused(f"{method} {path}: {answer.status_code} {answer.text[:300]}")

    async def _until_answered(self, call: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        while True:
            try:
                answer = await call()
            except httpx.TransportError:
                self.counts["retried"] += 1
            else:
                if answer.status_code not in BUSY:
                    return answer
                self.counts["retried"] += 1
            await asyncio.sleep(RETRY_SECONDS)


def usage_event(account_id: str, request: Request, hold_id: str | None = None, id_: str | None = None) -> UsageRecorded:
    """The event of one request that ran, priced by the book."""
    event_id = id_ or time_ordered_id()
    return UsageRecorded(
        source=SOURCE,
        id=event_id,
        subject=account_id,
        data=Usage(
            request_id=f"req_{event_id[-12:]}",
            provider=request.provider,
            model=request.model,
            mode=request.mode,  # type: ignore[arg-type]
            input_tokens=request.input_tokens,
            output_tokens=request.output_tokens,
            authorization_id=hold_id,
        ),
    )


def trace_event(account_id: str, count: int) -> TraceRecorded:
    """So many traces at once."""
    event_id = time_ordered_id()
    return TraceRecorded(
        source=SOURCE, id=event_id, subject=account_id, data=Trace(trace_id=f"trace_{event_id[-12:]}", count=count)
    )


def purchase_event(account_id: str, credits: str) -> CreditsPurchased:
    """A purchase paid at a sandbox, one credit for one dollar without tax."""
    purchase_id = time_ordered_id()
    return CreditsPurchased(
        source="payments/simulated",
        id=purchase_id,
        subject=account_id,
        data=Purchase(
            purchase_id=f"pur_{purchase_id}",
            kind="purchase",
            credits=credits,
            provider=PROVIDER,
            provider_payment_id=f"pay_{purchase_id}",
            charged=Charged(currency="USD", amount_minor=int(Decimal(credits) * 100)),
            fx_rate="1",
        ),
    )


def chat(rng: random.Random) -> Request:
    """A short conversation turn with a small model: a fraction of a cent."""
    tokens = rng.randint(200, 4_000), rng.randint(50, 800)
    return Request("openai", "gpt-4o-mini", rng.choice(("auto", "tier")), *tokens, hold="0.01")


def agent(rng: random.Random) -> Request:
    """An agent's step with a long context and a large model: some forty cents."""
    tokens = rng.randint(70_000, 130_000), rng.randint(1_500, 6_000)
    return Request("anthropic", "claude-sonnet-4-5", "auto", *tokens, hold="0.55")
