"""`Ledger` and `AsyncLedger`: what a router calls. An id that was returned belongs to an event that will be counted.

Recording checks the event, writes it to the spool on disk and returns; a thread delivers it. Both classes are the same
but for `await`.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, Unpack

from ledger.client.delivery import Delivery, Transport
from ledger.client.events import Outgoing, TraceFields, UsageFields, checked_source, trace_event, usage_event
from ledger.client.metrics import Metrics
from ledger.client.spool import RefusedEvent

SPOOL_BYTES_MAX = 256 * 1024 * 1024
CLOSE_SECONDS = 5.0
_ASYNC_THREADS = 16


class _Client:
    """What both have: how they are made, and what there is to watch."""

    def __init__(self, connect: Callable[[], Transport], source: str, spool: str | Path, bytes_max: int) -> None:
        self._source = checked_source(source)
        self._delivery = Delivery(Path(spool), bytes_max, connect)
        self.metrics = Metrics(self._delivery)

    @classmethod
    def over_kafka(
        cls,
        bootstrap_servers: str,
        *,
        source: str,
        spool: str | Path,
        topic_prefix: str = "",
        spool_bytes_max: int = SPOOL_BYTES_MAX,
        **security: Any,
    ) -> Self:
        """Publishes to the log itself. `security`: kafka-python's `security_protocol`, `sasl_…`, `ssl_…`.

        `spool`: a folder on a local disk, which several processes may share. Kafka need not be there yet.
        Raises InvalidEvent for a wrong source, UnsuitableOption, SpoolUnusable.
        """
        from ledger.client.kafka import KafkaTransport

        return cls(lambda: KafkaTransport(bootstrap_servers, topic_prefix, security), source, spool, spool_bytes_max)

    @classmethod
    def over_http(
        cls, url: str, *, key: str, source: str, spool: str | Path, spool_bytes_max: int = SPOOL_BYTES_MAX
    ) -> Self:
        """Sends to the API at `url` with an API key that has the scope `usage:write`; else as `over_kafka`."""
        from ledger.client.http import HttpTransport

        return cls(lambda: HttpTransport(url, key), source, spool, spool_bytes_max)

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


class Ledger(_Client):
    """A router's way to the ledger. Thread-safe; make it after a fork; close it, or use it in a with statement."""

    def record_usage(self, account_id: str, **usage: Unpack[UsageFields]) -> str:
        """The id of the event, which is on disk. Raises InvalidEvent (names the field), SpoolFull, SpoolUnusable."""
        return self._add(usage_event(self._source, account_id, usage))

    def record_trace(self, account_id: str, **trace: Unpack[TraceFields]) -> str:
        """As `record_usage`, for `count` traces."""
        return self._add(trace_event(self._source, account_id, trace))

    def flush(self, timeout_seconds: float) -> None:
        """Waits until all that was recorded is on the log. Raises NotDelivered, and Refused if any is set aside."""
        self._delivery.flush(timeout_seconds)

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Gives delivery so much time. What is left stays in the spool for the next process."""
        self._delivery.close(timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _add(self, event: Outgoing) -> str:
        self._delivery.add(event)
        return event.event_id


class AsyncLedger(_Client):
    """`Ledger` for asyncio: nothing here waits for a disk or a network in the event loop."""

    def __init__(self, connect: Callable[[], Transport], source: str, spool: str | Path, bytes_max: int) -> None:
        super().__init__(connect, source, spool, bytes_max)
        # Those that write at the same time share one sync of the disk.
        self._threads = ThreadPoolExecutor(_ASYNC_THREADS, thread_name_prefix="ledger-spool")

    async def record_usage(self, account_id: str, **usage: Unpack[UsageFields]) -> str:
        """As `Ledger.record_usage`. Cancelled, the event may have been recorded or not."""
        return await self._add(usage_event(self._source, account_id, usage))

    async def record_trace(self, account_id: str, **trace: Unpack[TraceFields]) -> str:
        """As `record_usage`, for `count` traces."""
        return await self._add(trace_event(self._source, account_id, trace))

    async def flush(self, timeout_seconds: float) -> None:
        """As `Ledger.flush`."""
        await asyncio.to_thread(self._delivery.flush, timeout_seconds)

    async def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """As `Ledger.close`."""
        await asyncio.to_thread(self._delivery.close, timeout_seconds)
        self._threads.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _add(self, event: Outgoing) -> str:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._delivery.add, event)
        return event.event_id
