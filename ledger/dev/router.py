"""A simulated router: it asks the gate before each request, publishes the usage, obeys a 402, and counts its actions.

It uses what a real router uses: `POST /v1/authorizations` over HTTP, and usage events over Kafka. While either is away
it retries with the same id, so it loses nothing and counts nothing twice.
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


class UnexpectedResponse(Exception):
    """The API sent a response with which a router can't continue."""


class Request(NamedTuple):
    """One model call of a customer: what it will use, and the credits to hold for it."""

    provider: str
    model: str
    mode: str
    input_tokens: int
    output_tokens: int
    hold: str


class AuthorizationResult(NamedTuple):
    """A request may run. Its usage names the authorization's id, if it has one."""

    authorization_id: str | None


class Router:
    """One simulated router, which its stories share."""

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
        """Asks the gate, runs the request and publishes its usage. None if the gate refused it (402)."""
        answer = await self.authorize(account_id, request.hold)
        if answer is None:
            return None
        event = usage_event(account_id, request, answer.authorization_id)
        await self.publish(event)
        return event

    async def authorize(self, account_id: str, amount: str) -> AuthorizationResult | None:
        """Asks whether a request of `amount` credits may run. None if the gate refused it (402)."""
        answer = await self._call("POST", "/v1/authorizations", {"account_id": account_id, "amount": amount})
        allowed = answer.status_code != 402
        self.counts["authorized" if allowed else "refused"] += 1
        self._board.set_allowed(account_id, allowed)
        return AuthorizationResult(answer.json().get("id")) if allowed else None

    def report(self, account_id: str, sentence: str) -> None:
        """Tells the board the last thing that happened to an account."""
        self._board.set_last(account_id, sentence)

    async def publish(self, event: Event, *, signed: bool = False) -> Position:
        """Appends an event and waits for the acknowledgement. Retries while Kafka is away."""
        sent_at = time.monotonic()
        while True:
            try:
                append = self._publisher.append_event(EVENTS, event, self._signing_key if signed else None)
                position = await append.acknowledged()
                break
            except LogUnavailable:
                self.report(event.subject, "Kafka does not acknowledge; sending it again")
                await asyncio.sleep(RETRY_SECONDS)
        self.counts["published"] += 1
        self._visibility.sample(position.partition, position.offset, sent_at)
        return position

    async def publish_raw(self, account_id: str, value: bytes) -> Position:
        """Appends bytes unchanged, as a broken client would."""
        sent_at = time.monotonic()
        position = await self._publisher.append(EVENTS, account_id.encode(), value).acknowledged()
        self.counts["published"] += 1
        self._visibility.sample(position.partition, position.offset, sent_at)
        return position

    async def buy(self, account_id: str, credits: str) -> None:
        """Publishes a signed purchase, as if the customer had paid elsewhere."""
        await self.publish(purchase_event(account_id, credits), signed=True)

    async def get(self, path: str) -> dict[str, Any]:
        """The response to a GET of the API."""
        found: dict[str, Any] = (await self._call("GET", path, None)).json()
        return found

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The response to a POST to the API."""
        made: dict[str, Any] = (await self._call("POST", path, body)).json()
        return made

    async def put(self, path: str, body: dict[str, Any]) -> None:
        """Sends a PUT to the API."""
        await self._call("PUT", path, body)

    async def open(self, account_id: str, package: str) -> None:
        """Opens an account and waits until the API knows it. An account of an earlier run stays unchanged."""
        path = f"/v1/accounts/{account_id}"
        if (await self._call("GET", path, None)).status_code == 404:
            await self._call("POST", "/v1/accounts", {"account_id": account_id, "package": package})
        while (
            await self._call("GET", path, None)
        ).status_code == 404:  # the POST returned 202, and the account is not projected yet
            await asyncio.sleep(RETRY_SECONDS)

    async def account(self, account_id: str) -> dict[str, Any]:
        """The account, as the API shows it."""
        return await self.get(f"/v1/accounts/{account_id}")

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        """Sends a request until a usable response comes, also while the API restarts or is busy."""
        idempotency = {"Idempotency-Key": time_ordered_id()} if body else {}
        answer = await self._until_answered(lambda: self.http.request(method, path, json=body, headers=idempotency))
        if answer.is_success or answer.status_code in ANSWERS:
            return answer
        raise UnexpectedResponse(f"{method} {path}: {answer.status_code} {answer.text[:300]}")

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
    """The usage event of a request that ran, priced by the book."""
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
    """An event of `count` traces."""
    event_id = time_ordered_id()
    return TraceRecorded(
        source=SOURCE, id=event_id, subject=account_id, data=Trace(trace_id=f"trace_{event_id[-12:]}", count=count)
    )


def purchase_event(account_id: str, credits: str) -> CreditsPurchased:
    """A purchase paid at a sandbox: one credit for one dollar, without tax."""
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


def chat_request(rng: random.Random) -> Request:
    """A short conversation turn with a small model: a fraction of a cent."""
    tokens = rng.randint(200, 4_000), rng.randint(50, 800)
    return Request("openai", "gpt-4o-mini", rng.choice(("auto", "tier")), *tokens, hold="0.01")


def agent_request(rng: random.Random) -> Request:
    """An agent's step with a long context and a large model: some forty cents."""
    tokens = rng.randint(70_000, 130_000), rng.randint(1_500, 6_000)
    return Request("anthropic", "claude-sonnet-4-5", "auto", *tokens, hold="0.55")
