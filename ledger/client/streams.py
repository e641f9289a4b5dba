"""A stream of output under a hold that grows with the output. At its end the hold is settled or released.

This happens however the with block ends, also by an error, Ctrl-C or a cancellation. If there was output, it is
recorded as usage, which settles the hold; if not, the hold is released. Neither waits for the ledger.
"""

import asyncio
import time
from copy import copy
from datetime import UTC, datetime
from math import inf
from typing import Any, Protocol, Required, Self, TypeVar, Unpack

from ledger.client.answers import ProviderUsage
from ledger.client.authorizations import Authorization, AuthorizeFields, FailureFields, Gate, extension, grace_of
from ledger.client.counting import CountedFields, Counting
from ledger.client.errors import (
    AuthorizationEnded,
    GateClosed,
    InsufficientCredits,
    InvalidEvent,
    UnreadableAnswer,
)
from ledger.client.events import Outgoing, UsageFields, usage_event
from ledger.client.sans_io import Steps
from schemas.events import Mode
from schemas.units import UNITS

T = TypeVar("T")

_RENEWED_AFTER = 0.75  # of the time that a hold lasts
_TRIED_AGAIN_AFTER = 0.05  # of the same, when it could not be renewed
_LASTS_SECONDS_MIN = 10.0  # also if this machine's clock differs from the ledger's


class Client(Protocol):
    """What a stream needs of its client; `Ledger` has it."""

    def run(self, steps: Steps[T]) -> T:
        """Exchanges requests with the gate until the steps return."""

    def record(self, event: Outgoing) -> str:
        """Writes an event to disk; returns its id."""


class AsyncClient(Protocol):
    """As `Client`; `AsyncLedger` has it."""

    async def run(self, steps: Steps[T]) -> T:
        """As `Client.run`."""

    async def record(self, event: Outgoing) -> str:
        """As `Client.record`."""


class StreamFields(FailureFields, total=False):
    """The model call. `max_output_tokens`: the limit that was given to the provider.

    `units`, `attributes`, `own_key`: as in `AuthorizeFields`; the usage has them, too, until the provider's count
    replaces them, except units of the output. `extend_by`: how many output tokens to hold at a time; by default all.
    `ttl`: seconds that a hold lasts; it is renewed while the stream runs. `grace`: credits that the whole stream takes
    from the grace. `like`: for `read`, the provider whose form the answers have, if genai-prices doesn't know
    `provider`.
    """

    request_id: Required[str]
    provider: Required[str]
    model: Required[str]
    mode: Required[Mode]
    input_tokens: Required[int]
    max_output_tokens: Required[int]
    units: dict[str, int | str] | None
    attributes: dict[str, str] | None
    own_key: bool | None
    extend_by: int | None
    ttl: int | None
    like: str | None
    api_key_id: str | None
    metadata: dict[str, str] | None


class _Stream:
    """What both streams share: the output so far, the hold for it, and when to extend the hold."""

    def __init__(self, gate: Gate, source: str, account_id: str, call: StreamFields) -> None:
        self._gate, self._source, self._account_id, self._call = gate, source, account_id, call
        self._fail, self._ttl = call.get("fail", "closed"), call.get("ttl")
        self._grace = grace_of(self._fail, call.get("grace"))
        self._max = _count("max_output_tokens", call.get("max_output_tokens"))
        self._portion = self._max if call.get("extend_by") is None else _count("extend_by", call.get("extend_by"))
        self._held: Authorization | None = None
        self._covered, self._margin, self._lasts, self._renewed_at = 0, 0, inf, inf
        self._counting = Counting(call.get("provider", ""), call.get("model", ""), call.get("like"))
        self._unreadable: UnreadableAnswer | InvalidEvent | None = None
        self._ended = False
        self._event()  # raises for a wrong field, before anything is held

    @property
    def authorization(self) -> Authorization:
        """The authorization that the stream has now. It changes when the hold is extended. Use it inside the block."""
        assert self._held is not None, "the block has not been entered"
        return self._held

    def read(self, chunk: Any) -> None:
        """Reads a chunk of the provider's answer for what it counts: a mapping, or an object of an SDK.

        At the end, the provider's final count replaces what `output` counted. Without one the larger of both holds.
        Raises UnreadableAnswer.
        """
        self._counting.read(chunk)

    def usage(
        self, counted: ProviderUsage | None = None, /, *, final: bool = True, **fields: Unpack[CountedFields]
    ) -> None:
        """Reports what the provider counted, as `usage_of` read it or in fields, in place of what `output` counted.

        A count that is not final, or that more output follows, can only raise what `output` counts. Raises
        InvalidEvent.
        """
        before = copy(self._counting)
        self._counting.report(counted, final, fields)
        try:
            self._event()
        except InvalidEvent:
            self._counting = before
            raise

    def _opening(self) -> Steps[None]:
        self._hold((yield from self._authorize(min(self._portion, self._max))))

    def _producing(self, tokens: int) -> Steps[None]:
        """Extends the hold early, so that a first refusal comes while it still covers the output."""
        self._counting.produce(_count("tokens", tokens, least=0))
        left = self._covered - self._counting.produced
        short = self._covered < self._max and left <= self._margin
        if not short and time.monotonic() < self._renewed_at:
            return
        try:
            self._hold((yield from self._more(short)))
        except (InsufficientCredits, GateClosed) as error:
            # Try to renew it again soon: if it expired, the gate would give its credits to other calls.
            self._renewed_at = max(self._renewed_at, time.monotonic() + _TRIED_AGAIN_AFTER * self._lasts)
            if short:
                self._margin = 0  # the next attempt comes when the hold is used up
            if not short or left > 0:
                return
            if isinstance(error, InsufficientCredits) or self._fail == "closed":
                raise
            self._hold(self._gate.grant_grace(self.authorization, self._grace, error))

    def _more(self, short: bool) -> Steps[Authorization]:
        """A larger hold, or the same for longer; a new one if the old one has expired meanwhile."""
        tokens = min(self._portion, self._max - self._covered) if short else None
        try:
            return (yield from self._gate.extend(self.authorization, extension(output_tokens=tokens, ttl=self._ttl)))
        except AuthorizationEnded:
            produced = self._counting.produced
            return (yield from self._authorize(min(produced + self._portion, max(self._max, produced))))

    def _authorize(self, tokens: int) -> Steps[Authorization]:
        call = self._call
        ask: AuthorizeFields = {
            "provider": call["provider"],
            "model": call["model"],
            "mode": call["mode"],
            "input_tokens": call["input_tokens"],
            "max_output_tokens": tokens,
            "units": call.get("units"),
            "attributes": call.get("attributes"),
            "own_key": bool(call.get("own_key")),
            "ttl": self._ttl,
            "api_key_id": call.get("api_key_id"),
            "fail": self._fail,
            "grace": call.get("grace"),
        }
        return self._gate.authorize(self._account_id, ask)

    def _hold(self, held: Authorization) -> None:
        self._held, self._margin, self._renewed_at = held, self._portion // 2, inf
        if held.grant is not None or held.max_output_tokens is None or held.expires_at is None:
            self._covered = self._max
            return
        self._covered = held.max_output_tokens
        self._lasts = self._ttl or max((held.expires_at - datetime.now(UTC)).total_seconds(), _LASTS_SECONDS_MIN)
        self._renewed_at = time.monotonic() + _RENEWED_AFTER * self._lasts

    def _event(self, read: ProviderUsage | None = None) -> Outgoing:
        call, counted = self._call, self._counting.fields(read)
        usage: UsageFields = {
            "request_id": call["request_id"],
            "provider": call["provider"],
            "model": call["model"],
            "mode": call["mode"],
            "input_tokens": call["input_tokens"],
            "output_tokens": 0,
            "units": None if "input_tokens" in counted else self._input_units(),
            "own_key": call.get("own_key"),
            "api_key_id": call.get("api_key_id"),
            "metadata": call.get("metadata"),
            "authorization_id": self._held.id if self._held else None,
        }
        known, said = call.get("attributes"), counted.get("attributes")
        # What only the router knows of how the call is served stays beside what the provider says of it.
        attributes = {**known, **said} if isinstance(known, dict) and isinstance(said, dict) else said or known
        return usage_event(self._source, self._account_id, {**usage, **counted, "attributes": attributes})

    def _input_units(self) -> dict[str, int | str] | None:
        """What the call named of its input, which is as long as it was however the stream ends."""
        units = self._call.get("units")
        return units and {name: count for name, count in units.items() if not _is_output(name)}

    def _last(self) -> Outgoing:
        """The usage event that ends the stream. What can't be read of the provider's counts loses no other count."""
        if self._ended:
            raise AuthorizationEnded
        try:
            event = self._event(self._counting.read_so_far())
        except (UnreadableAnswer, InvalidEvent) as error:
            self._unreadable = error
            event = self._event()
        self._gate.expect_usage(self.authorization, event.event_id)
        return event

    def _check(self) -> None:
        """Raises why the chunks could not be read, if nothing else says what was used."""
        if self._unreadable and self._counting.only_read:
            raise self._unreadable

    def _release(self) -> None:
        if not self._ended:
            self._ended = True
            self._gate.release(self.authorization)


class Stream(_Stream):
    """A stream that `Ledger.stream` makes. For one thread at a time."""

    def __init__(self, client: Client, gate: Gate, source: str, account_id: str, call: StreamFields) -> None:
        super().__init__(gate, source, account_id, call)
        self._client = client

    def output(self, tokens: int) -> None:
        """Counts `tokens` more output tokens.

        Raises InsufficientCredits when the credits are used up, and GateClosed when the gate does not answer: then stop
        the stream. The output so far is recorded all the same.
        """
        self._client.run(self._producing(tokens))

    def settle(self) -> str:
        """Ends the stream before its block ends. Returns the id of its usage event. Raises as `record_usage` does."""
        event = self._last()
        try:
            self._client.record(event)
        except KeyboardInterrupt:  # it may or may not be written; the same event twice is counted once
            self._client.record(event)
            self._ended = True
            raise
        self._ended = True
        return event.event_id

    def release(self) -> None:
        """Ends the stream without a charge."""
        self._release()

    def __enter__(self) -> Self:
        self._client.run(self._opening())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._counting.empty:
            self._release()
        elif not self._ended:
            self.settle()
            if kind is None:
                self._check()


class AsyncStream(_Stream):
    """`Stream` for asyncio. For one task at a time."""

    def __init__(self, client: AsyncClient, gate: Gate, source: str, account_id: str, call: StreamFields) -> None:
        super().__init__(gate, source, account_id, call)
        self._client = client

    async def output(self, tokens: int) -> None:
        """As `Stream.output`."""
        await self._client.run(self._producing(tokens))

    async def settle(self) -> str:
        """As `Stream.settle`. If it is cancelled, the event is still recorded."""
        event = self._last()
        try:
            await self._client.record(event)
        except asyncio.CancelledError:
            self._ended = True
            raise
        self._ended = True
        return event.event_id

    async def release(self) -> None:
        """As `Stream.release`."""
        self._release()

    async def __aenter__(self) -> Self:
        await self._client.run(self._opening())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._counting.empty:
            self._release()
        elif not self._ended:
            await self.settle()
            if kind is None:
                self._check()


def _is_output(unit: str) -> bool:
    return unit in UNITS and UNITS[unit].direction == "output"


def _count(name: str, given: Any, least: int = 1) -> int:
    if type(given) is not int or given < least:
        raise InvalidEvent(f"a whole number from {least}", field=name)
    return given
