"""The Kafka transport: appends to the log itself, acknowledged by all in-sync replicas, in order per account.

A portion of the spool becomes one Kafka batch per partition, and Kafka appends a batch as a whole or not at all. Only
what failed is sent again, before anything newer. So an account's events stay in order, whatever fails in between. After
each failure the producer is discarded, with everything that it still had to send.

The transport uses the number of partitions that it finds first. An account's partition depends on it, and the ledger
does not read a partition that was added later; so events wait in the spool while the topic has another number.
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import InvalidRecordError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from kafka.partitioner.default import murmur2

from ledger.client.delivery import PORTION_BYTES, Outcome
from ledger.client.errors import UnsuitableOption
from ledger.client.spool import Rejection, SpooledEvent
from ledger.kafka_sockets import ClosingClient
from schemas.topics import EVENTS

ACKNOWLEDGED_SECONDS = 20.0
_NEVER_BY_ITSELF_MS = 3_600_000
_REJECTIONS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError)
_SECURITY = ("security_protocol", "sasl_", "ssl_", "socks5_proxy", "proxy_url", "client_id")


class KafkaTransport:
    """Connects at the first `send`. `security`: kafka-python's `sasl_…`, `ssl_…` and so on. Raises UnsuitableOption."""

    def __init__(self, bootstrap_servers: str, topic_prefix: str, security: Mapping[str, Any]) -> None:
        for name in security:
            if name not in KafkaProducer.DEFAULT_CONFIG or not name.startswith(_SECURITY):
                raise UnsuitableOption("only kafka-python's security options are allowed", field=name)
        self._servers, self._topic, self._security = bootstrap_servers, topic_prefix + EVENTS, dict(security)
        self._producer: KafkaProducer | None = None
        self._partitions = 0
        self._ended: list[KafkaProducer] = []

    def send(self, portion: Sequence[SpooledEvent]) -> Outcome:
        """See Transport."""
        outcome = self._send(portion)
        return self._one_by_one(portion, outcome) if outcome.rejected and len(portion) > 1 else outcome

    def _one_by_one(self, portion: Sequence[SpooledEvent], outcome: Outcome) -> Outcome:
        """Sends each event alone, to find those that Kafka refuses; kafka-python fails all of them alike."""
        delivered, rejected = set(outcome.delivered), list[Rejection]()
        for waiting in portion:
            if waiting.seq in delivered:
                continue
            alone = self._send([waiting])
            delivered.update(alone.delivered)
            rejected += alone.rejected
            if alone.trouble:
                return Outcome([*delivered], rejected, alone.trouble)
        return Outcome([*delivered], rejected)

    def _send(self, portion: Sequence[SpooledEvent]) -> Outcome:
        self._ended = [ended for ended in self._ended if not _gone(ended)]
        try:
            producer = self._producer = self._producer or self._connected()
            outcome = self._grown(producer) or self._sent(producer, portion)
        except KafkaError as error:
            outcome = Outcome(trouble=repr(error))
        if outcome.trouble or outcome.rejected:
            self.close()
        return outcome

    def _sent(self, producer: KafkaProducer, portion: Sequence[SpooledEvent]) -> Outcome:
        keyed = [(event.account_id.encode(), event.value) for _, event in portion]
        futures = [producer.send(self._topic, key=key, value=value, partition=self._home(key)) for key, value in keyed]
        _wait(producer, futures)
        return _outcome(portion, futures)

    def _grown(self, producer: KafkaProducer) -> Outcome | None:
        now = len(producer.partitions_for(self._topic))
        self._partitions = self._partitions or now
        if now == self._partitions:
            return None
        change = f"{self._topic} has {now} partitions and had {self._partitions} when this process started"
        return Outcome(trouble=f"{change}; if the ledger was rebuilt with the new number, restart this process")

    def _home(self, key: bytes) -> int:
        return int((murmur2(key) & 0x7FFFFFFF) % self._partitions)

    def close(self) -> None:
        """See Transport."""
        producer, self._producer = self._producer, None
        if producer is not None:
            # The producer's own close(timeout=0) raises while events wait, closes nothing, and may send them later.
            producer._sender.force_close()
            self._ended.append(producer)

    def _connected(self) -> KafkaProducer:
        return KafkaProducer(
            **({"client_id": "ledger-client"} | self._security),
            kafka_client=ClosingClient,
            bootstrap_servers=self._servers.split(","),
            bootstrap_timeout_ms=5_000,
            max_block_ms=5_000,
            reconnect_backoff_max_ms=1_000,
            request_timeout_ms=5_000,
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            # A batch holds a whole portion and is sent only when it is flushed, so never in parts.
            batch_size=2 * PORTION_BYTES,
            linger_ms=_NEVER_BY_ITSELF_MS,
            delivery_timeout_ms=2 * _NEVER_BY_ITSELF_MS,
        )


def _gone(ended: KafkaProducer) -> bool:
    """Whether a discarded producer has ended its thread."""
    if ended._sender.is_alive():
        return False
    with contextlib.suppress(KafkaError):
        ended.close(timeout=0)
    return True


def _wait(producer: KafkaProducer, futures: Sequence[Any]) -> None:
    """Waits until each event is acknowledged or has failed. Kafka splits a batch that is too large; its parts need a
    new flush."""
    deadline = time.monotonic() + ACKNOWLEDGED_SECONDS
    while not all(future.is_done for future in futures) and (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(KafkaError):
            producer.flush(timeout=left)


def _outcome(portion: Sequence[SpooledEvent], futures: Sequence[Any]) -> Outcome:
    delivered, rejected, trouble = [], [], ""
    for waiting, future in zip(portion, futures, strict=True):
        if future.succeeded():
            delivered.append(waiting.seq)
        elif isinstance(future.exception, _REJECTIONS):
            rejected.append(Rejection(waiting.seq, "too_large", f"Kafka refuses it: {future.exception}"))
        else:
            trouble = repr(future.exception) if future.is_done else "Kafka does not acknowledge"
    return Outcome(delivered, rejected, trouble)
