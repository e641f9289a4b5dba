"""`Ledger` and `AsyncLedger`, which a router calls. An event whose id was returned will be counted.

Recording checks the event, writes it to the spool on disk and returns; a thread delivers it. An authorization is one
HTTP request to the gate. The two classes differ only in `await`.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack

import httpx

from ledger.client.authorizations import Authorization, AuthorizeFields, Gate, GateOptions, extension
from ledger.client.delivery import Delivery, Transport
from ledger.client.events import Outgoing, TraceFields, UsageFields, checked_source, trace_event, usage_event
from ledger.client.metrics import Metrics
from ledger.client.sans_io import Steps, run, run_async
from ledger.client.spool import RejectedEvent
from ledger.client.streams import AsyncStream, Stream, StreamFields

T = TypeVar("T")

SPOOL_BYTES_MAX = 256 * 1024 * 1024
CLOSE_SECONDS = 5.0
GATE_SECONDS = 1.0
_ASYNC_THREADS = 16


class _Client:
    """What both classes share: the constructors, the spool's figures and the metrics."""

    def __init__(
        self, connect: Callable[[], Transport], source: str, spool: str | Path, bytes_max: int, gate: GateOptions
    ) -> None:
        self._source = checked_source(source)
        self._gate = Gate(gate)
        self._delivery = Delivery(Path(spool), bytes_max, connect, self._gate.grace.delivered)
        self.metrics = Metrics(self._delivery, self._gate.grace)

    @classmethod
    def over_kafka(
        cls,
        bootstrap_servers: str,
        *,
        source: str,
        spool: str | Path,
        api: str = "",
        key: str = "",
        gate_seconds: float = GATE_SECONDS,
        grace: str = "0",
        topic_prefix: str = "",
        spool_bytes_max: int = SPOOL_BYTES_MAX,
        **security: Any,
    ) -> Self:
        """A client that publishes to Kafka. `security`: kafka-python's `security_protocol`, `sasl_…`, `ssl_…`.

        `spool`: a folder on a local disk, which several processes may share. Kafka need not be reachable yet.
        `api`, `key`: for authorizations, the API's URL and a key with the scope `authorizations:write`.
        `gate_seconds`: about how long an authorization may take. `grace`: credits that each account may spend through
        this process without a hold while the gate does not answer.
        Raises InvalidEvent for a wrong source, UnsuitableOption, SpoolUnusable.
        """
        from ledger.client.kafka import KafkaTransport

        gate = GateOptions(api, key, gate_seconds, grace)
        return cls(
            lambda: KafkaTransport(bootstrap_servers, topic_prefix, security), source, spool, spool_bytes_max, gate
        )

    @classmethod
    def over_http(
        cls,
        url: str,
        *,
        key: str,
        source: str,
        spool: str | Path,
        gate_seconds: float = GATE_SECONDS,
        grace: str = "0",
        spool_bytes_max: int = SPOOL_BYTES_MAX,
    ) -> Self:
        """A client that sends usage to the API at `url`; otherwise as `over_kafka`.

        `key` needs the scope `usage:write`, and `authorizations:write` for authorizations.
        """
        from ledger.client.http import HttpTransport

        gate = GateOptions(url, key, gate_seconds, grace)
        return cls(lambda: HttpTransport(url, key), source, spool, spool_bytes_max, gate)

    @property
    def depth(self) -> int:
        """How many events wait in the spool, with those of ended processes that this one took over."""
        return self._delivery.depth

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest waiting event in seconds; 0 if none waits."""
        return self._delivery.oldest_seconds

    @property
    def rejected(self) -> list[RejectedEvent]:
        """Events that the ledger rejected, with its reasons. They are not sent again by themselves."""
        return [event for spool in self._delivery.spools for event in spool.rejected()]

    def retry_rejected(self) -> None:
        """Sends the rejected events again, for example after the missing price was added to the book."""
        self._delivery.retry_rejected()

    def drop_rejected(self) -> None:
        """Deletes the rejected events."""
        for spool in self._delivery.spools:
            spool.drop_rejected()

    def _usage(self, authorization: Authorization, usage: UsageFields) -> Outgoing:
        """The event that settles an authorization."""
        named: UsageFields = {**usage, "authorization_id": authorization.id}
        event = usage_event(self._source, authorization.account_id, named)
        self._gate.expect_usage(authorization, event.event_id)
        return event

    def _close(self, timeout_seconds: float) -> None:
        until = time.monotonic() + timeout_seconds
        if self._delivery.close(timeout_seconds):
            self._gate.releases.close(max(until - time.monotonic(), 0))


class Ledger(_Client):
    """A router's client of the ledger. Thread-safe. Make it after a fork; close it, or use it in a with statement."""

    def __init__(
        self, connect: Callable[[], Transport], source: str, spool: str | Path, bytes_max: int, gate: GateOptions
    ) -> None:
        super().__init__(connect, source, spool, bytes_max, gate)
        self._http = httpx.Client(**gate.client())

    def authorize(self, account_id: str, **ask: Unpack[AuthorizeFields]) -> Authorization:
        """Asks the gate whether a call may run, and holds its credits. `settle` or `release` the result afterwards.

        Raises InsufficientCredits (402); GateClosed (no response, and `fail` is "closed" or the grace is used up);
        InvalidAuthorization (names the field); UnsuitableOption.
        """
        return self.run(self._gate.authorize(account_id, ask))

    def extend(
        self,
        authorization: Authorization,
        *,
        amount: str | None = None,
        output_tokens: int | None = None,
        ttl: int | None = None,
    ) -> Authorization:
        """Holds `amount` credits or `output_tokens` more, for `ttl` seconds from now. Returns the new authorization.

        With neither an amount nor tokens it only lasts longer, which takes no credits. An authorization without a hold
        is returned unchanged: its grace is for the whole call. Raises as `authorize` does, and AuthorizationEnded.
        """
        more = extension(amount=amount, output_tokens=output_tokens, ttl=ttl)
        return self.run(self._gate.extend(authorization, more))

    def settle(self, authorization: Authorization, **usage: Unpack[UsageFields]) -> str:
        """Records the usage of an authorization; otherwise as `record_usage`."""
        return self.record(self._usage(authorization, usage))

    def release(self, authorization: Authorization) -> None:
        """Gives back the hold of a call without usage. Returns at once; a thread tells the ledger."""
        self._gate.release(authorization)

    def stream(self, account_id: str, **call: Unpack[StreamFields]) -> Stream:
        """A context manager for a stream of output: it authorizes, extends as output grows, and settles or releases at
        the end.

        Raises InvalidEvent (names the field), UnsuitableOption. Entering it raises as `authorize` does. Its end raises
        UnreadableAnswer if only `read` was to count and the chunks had no counts; the usage is recorded even so.
        """
        return Stream(self, self._gate, self._source, account_id, call)

    def record_usage(self, account_id: str, **usage: Unpack[UsageFields]) -> str:
        """Writes the usage to disk; returns the event's id. `usage_of(...).fields()` has most of the fields.

        Raises InvalidEvent (names the field), SpoolFull, SpoolUnusable.
        """
        return self.record(usage_event(self._source, account_id, usage))

    def record_trace(self, account_id: str, **trace: Unpack[TraceFields]) -> str:
        """As `record_usage`, for `count` traces."""
        return self.record(trace_event(self._source, account_id, trace))

    def record(self, event: Outgoing) -> str:
        """Writes an event to disk; returns its id."""
        self._delivery.add(event)
        return event.event_id

    def run(self, steps: Steps[T]) -> T:
        """Exchanges requests with the gate until the steps return."""
        self._delivery.check()
        return run(steps, self._http)

    def flush(self, timeout_seconds: float) -> None:
        """Waits until all recorded events are on the log. Raises NotDelivered; EventsRejected if any is set aside."""
        self._delivery.flush(timeout_seconds)

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Delivers for up to `timeout_seconds`, then closes. The rest stays in the spool for the next process."""
        self._close(timeout_seconds)
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncLedger(_Client):
    """`Ledger` for asyncio. It never blocks the event loop with disk or network."""

    def __init__(
        self, connect: Callable[[], Transport], source: str, spool: str | Path, bytes_max: int, gate: GateOptions
    ) -> None:
        super().__init__(connect, source, spool, bytes_max, gate)
        # Threads that write at the same time share one sync of the disk.
        self._threads = ThreadPoolExecutor(_ASYNC_THREADS, thread_name_prefix="ledger-spool")
        self._http = httpx.AsyncClient(**gate.client())

    async def authorize(self, account_id: str, **ask: Unpack[AuthorizeFields]) -> Authorization:
        """As `Ledger.authorize`. If it is cancelled, a hold that it may have made is released."""
        return await self.run(self._gate.authorize(account_id, ask))

    async def extend(
        self,
        authorization: Authorization,
        *,
        amount: str | None = None,
        output_tokens: int | None = None,
        ttl: int | None = None,
    ) -> Authorization:
        """As `Ledger.extend`. If it is cancelled, the hold may or may not be extended."""
        more = extension(amount=amount, output_tokens=output_tokens, ttl=ttl)
        return await self.run(self._gate.extend(authorization, more))

    async def settle(self, authorization: Authorization, **usage: Unpack[UsageFields]) -> str:
        """As `Ledger.settle`. If it is cancelled, the event is still recorded."""
        return await self.record(self._usage(authorization, usage))

    async def release(self, authorization: Authorization) -> None:
        """As `Ledger.release`."""
        self._gate.release(authorization)

    def stream(self, account_id: str, **call: Unpack[StreamFields]) -> AsyncStream:
        """As `Ledger.stream`, for `async with`."""
        return AsyncStream(self, self._gate, self._source, account_id, call)

    async def record_usage(self, account_id: str, **usage: Unpack[UsageFields]) -> str:
        """As `Ledger.record_usage`. If it is cancelled, the event is still recorded."""
        return await self.record(usage_event(self._source, account_id, usage))

    async def record_trace(self, account_id: str, **trace: Unpack[TraceFields]) -> str:
        """As `record_usage`, for `count` traces."""
        return await self.record(trace_event(self._source, account_id, trace))

    async def record(self, event: Outgoing) -> str:
        """As `Ledger.record`. If it is cancelled, it ends only after the event is written."""
        self._delivery.check()
        written = asyncio.get_running_loop().run_in_executor(self._threads, self._delivery.add, event)
        cancelled: asyncio.CancelledError | None = None
        while not written.done():
            try:
                await asyncio.wait([written])
            except asyncio.CancelledError as error:
                cancelled = error
        written.result()
        if cancelled is not None:
            raise cancelled
        return event.event_id

    async def run(self, steps: Steps[T]) -> T:
        """Exchanges requests with the gate until the steps return."""
        self._delivery.check()
        return await run_async(steps, self._http)

    async def flush(self, timeout_seconds: float) -> None:
        """As `Ledger.flush`."""
        await asyncio.to_thread(self._delivery.flush, timeout_seconds)

    async def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """As `Ledger.close`."""
        await asyncio.to_thread(self._close, timeout_seconds)
        self._threads.shutdown(wait=False)
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
