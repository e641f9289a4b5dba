"""`Ledger` and `AsyncLedger`: what a router calls. An id that was returned belongs to an event that will be counted.

Recording checks the event, writes it to the spool on disk and returns; a thread delivers it. Asking the gate is one
request over HTTP. Both classes are the same but for `await`.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack

import httpx

from ledger.client.asking import Steps, run, run_async
from ledger.client.authorizations import AskFields, Authorization, Gate, GateOptions, extension
from ledger.client.delivery import Delivery, Transport
from ledger.client.events import Outgoing, TraceFields, UsageFields, checked_source, trace_event, usage_event
from ledger.client.metrics import Metrics
from ledger.client.spool import RefusedEvent
from ledger.client.streams import AsyncStream, Stream, StreamFields

T = TypeVar("T")

SPOOL_BYTES_MAX = 256 * 1024 * 1024
CLOSE_SECONDS = 5.0
GATE_SECONDS = 1.0
_ASYNC_THREADS = 16


class _Client:
    """What both have: how they are made, and what there is to watch."""

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
        """Publishes to the log itself. `security`: kafka-python's `security_protocol`, `sasl_…`, `ssl_…`.

        `spool`: a folder on a local disk, which several processes may share. Kafka need not be there yet.
        `api`, `key`: for authorizations, the API's URL and a key with the scope `authorizations:write`.
        `gate_seconds`: about how long a question to the gate may take. `grace`: credits that an account may have let
        through by this process while the gate is closed.
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
        """Sends to the API at `url`, else as `over_kafka`. Scopes of `key`: `usage:write`, `authorizations:write`."""
        from ledger.client.http import HttpTransport

        gate = GateOptions(url, key, gate_seconds, grace)
        return cls(lambda: HttpTransport(url, key), source, spool, spool_bytes_max, gate)

    @property
    def depth(self) -> int:
        """Events that wait in the spool, those of ended processes that it took over included."""
        return self._delivery.depth

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest event that waits; 0 when none does."""
        return self._delivery.oldest_seconds

    @property
    def rejected(self) -> list[RefusedEvent]:
        """Events that the ledger refused for good, with its reasons."""
        return [event for spool in self._delivery.spools for event in spool.refused()]

    def retry_rejected(self) -> None:
        """Sends them again, for example when the book has got the price that was missing."""
        self._delivery.retry_refused()

    def drop_rejected(self) -> None:
        """Forgets them."""
        for spool in self._delivery.spools:
            spool.drop_refused()

    def _usage(self, authorization: Authorization, usage: UsageFields) -> Outgoing:
        """The event that settles an authorization."""
        named: UsageFields = {**usage, "authorization_id": authorization.id}
        event = usage_event(self._source, authorization.account_id, named)
        self._gate.settling(authorization, event.event_id)
        return event

    def _close(self, timeout_seconds: float) -> None:
        until = time.monotonic() + timeout_seconds
        if self._delivery.close(timeout_seconds):
            self._gate.releases.close(max(until - time.monotonic(), 0))


class Ledger(_Client):
    """A router's way to the ledger. Thread-safe; make it after a fork; close it, or use it in a with statement."""

    def __init__(
        self, connect: Callable[[], Transport], source: str, spool: str | Path, bytes_max: int, gate: GateOptions
    ) -> None:
        super().__init__(connect, source, spool, bytes_max, gate)
        self._http = httpx.Client(**gate.client())

    def authorize(self, account_id: str, **ask: Unpack[AskFields]) -> Authorization:
        """May this request run? Its usage is to `settle` the authorization, or it is to be released.

        Raises InsufficientCredits (402), GateClosed (no answer, unless it fails open within the account's grace),
        InvalidAuthorization (names the field), UnsuitableOption.
        """
        return self.ask(self._gate.authorize(account_id, ask))

    def extend(
        self,
        authorization: Authorization,
        *,
        amount: str | None = None,
        output_tokens: int | None = None,
        ttl: int | None = None,
    ) -> Authorization:
        """Holds so much more, and so many seconds from now; the authorization as it is then.

        With neither an amount nor tokens it is only held longer, which takes no credits.

        One without a hold stays as it is: its grace is for the whole request. Raises as `authorize`, and
        AuthorizationEnded.
        """
        more = extension(amount=amount, output_tokens=output_tokens, ttl=ttl)
        return self.ask(self._gate.extend(authorization, more))

    def settle(self, authorization: Authorization, **usage: Unpack[UsageFields]) -> str:
        """Records the usage of an authorization; else as `record_usage`."""
        return self.record(self._usage(authorization, usage))

    def release(self, authorization: Authorization) -> None:
        """Gives back what is held, when no usage will come. The ledger is told in the background."""
        self._gate.give_back(authorization)

    def stream(self, account_id: str, **call: Unpack[StreamFields]) -> Stream:
        """For a with statement around a stream: authorized, extended as it goes, settled or released at its end.

        Entering raises as `authorize` does. Raises InvalidEvent (names the field), UnsuitableOption.
        """
        return Stream(self, self._gate, self._source, account_id, call)

    def record_usage(self, account_id: str, **usage: Unpack[UsageFields]) -> str:
        """The id of the event, which is on disk. Raises InvalidEvent (names the field), SpoolFull, SpoolUnusable."""
        return self.record(usage_event(self._source, account_id, usage))

    def record_trace(self, account_id: str, **trace: Unpack[TraceFields]) -> str:
        """As `record_usage`, for `count` traces."""
        return self.record(trace_event(self._source, account_id, trace))

    def record(self, event: Outgoing) -> str:
        """Records an event that is already made."""
        self._delivery.add(event)
        return event.event_id

    def ask(self, steps: Steps[T]) -> T:
        """Asks the gate."""
        self._delivery.check()
        return run(steps, self._http)

    def flush(self, timeout_seconds: float) -> None:
        """Waits until all that was recorded is on the log. Raises NotDelivered, and Refused if any is set aside."""
        self._delivery.flush(timeout_seconds)

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Gives delivery so much time. What is left stays in the spool for the next process."""
        self._close(timeout_seconds)
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncLedger(_Client):
    """`Ledger` for asyncio: nothing here waits for a disk or a network in the event loop."""

    def __init__(
        self, connect: Callable[[], Transport], source: str, spool: str | Path, bytes_max: int, gate: GateOptions
    ) -> None:
        super().__init__(connect, source, spool, bytes_max, gate)
        # Those that write at the same time share one sync of the disk.
        self._threads = ThreadPoolExecutor(_ASYNC_THREADS, thread_name_prefix="ledger-spool")
        self._http = httpx.AsyncClient(**gate.client())

    async def authorize(self, account_id: str, **ask: Unpack[AskFields]) -> Authorization:
        """As `Ledger.authorize`. Cancelled, what it may hold is released."""
        return await self.ask(self._gate.authorize(account_id, ask))

    async def extend(
        self,
        authorization: Authorization,
        *,
        amount: str | None = None,
        output_tokens: int | None = None,
        ttl: int | None = None,
    ) -> Authorization:
        """As `Ledger.extend`. Cancelled, the hold may have been extended or not."""
        more = extension(amount=amount, output_tokens=output_tokens, ttl=ttl)
        return await self.ask(self._gate.extend(authorization, more))

    async def settle(self, authorization: Authorization, **usage: Unpack[UsageFields]) -> str:
        """As `Ledger.settle`. Cancelled, it is recorded nevertheless."""
        return await self.record(self._usage(authorization, usage))

    async def release(self, authorization: Authorization) -> None:
        """As `Ledger.release`."""
        self._gate.give_back(authorization)

    def stream(self, account_id: str, **call: Unpack[StreamFields]) -> AsyncStream:
        """As `Ledger.stream`, for `async with`."""
        return AsyncStream(self, self._gate, self._source, account_id, call)

    async def record_usage(self, account_id: str, **usage: Unpack[UsageFields]) -> str:
        """As `Ledger.record_usage`. Cancelled, the event is recorded nevertheless."""
        return await self.record(usage_event(self._source, account_id, usage))

    async def record_trace(self, account_id: str, **trace: Unpack[TraceFields]) -> str:
        """As `record_usage`, for `count` traces."""
        return await self.record(trace_event(self._source, account_id, trace))

    async def record(self, event: Outgoing) -> str:
        """As `Ledger.record`; a cancellation waits until it is written."""
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

    async def ask(self, steps: Steps[T]) -> T:
        """Asks the gate."""
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
