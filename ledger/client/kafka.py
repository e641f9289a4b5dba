"""Straight to the log: acknowledged by all in-sync replicas, in order per account.

A portion is one batch per partition, and a batch is appended as a whole or not at all; only what failed is sent again,
before anything newer. So an account's events stand in their order, whatever fails in between. After any failure the
producer is thrown away, with whatever it still wanted to send.

The number of partitions that it finds first holds for its life. An account's partition follows from it, and what went
to a new partition would be folded by nobody; so events wait in the spool while the topic has another number.
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import InvalidRecordError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from kafka.net.compat import KafkaNetClient
from kafka.partitioner.default import murmur2

from ledger.client.delivery import PORTION_BYTES, Outcome
from ledger.client.errors import UnsuitableOption
from ledger.client.spool import Refusal, Waiting
from schemas.topics import EVENTS

ACKNOWLEDGED_SECONDS = 20.0
_NEVER_BY_ITSELF_MS = 3_600_000
_REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError)
_SECURITY = ("security_protocol", "sasl_", "ssl_", "socks5_proxy", "proxy_url", "client_id")


class KafkaTransport:
    """Connects when it first sends. `security`: kafka-python's `sasl_…`, `ssl_…` and so on. Raises UnsuitableOption."""

    def __init__(self, bootstrap_servers: str, topic_prefix: str, security: Mapping[str, Any]) -> None:
        for name in security:
            if name not in KafkaProducer.DEFAULT_CONFIG or not name.startswith(_SECURITY):
                raise UnsuitableOption("only kafka-python's options of security", field=name)
        self._servers, self._topic, self._security = bootstrap_servers, topic_prefix + EVENTS, dict(security)
        self._producer: KafkaProducer | None = None
        self._partitions = 0
        self._ended: list[KafkaProducer] = []

    def send(self, portion: Sequence[Waiting]) -> Outcome:
        """See Transport."""
        outcome = self._send(portion)
        return self._one_by_one(portion, outcome) if outcome.refused and len(portion) > 1 else outcome

    def _one_by_one(self, portion: Sequence[Waiting], outcome: Outcome) -> Outcome:
        """Finds out which one Kafka refuses: kafka-python fails all others that it still has with the same error."""
        delivered, refused = set(outcome.delivered), list[Refusal]()
        for waiting in portion:
            if waiting.seq in delivered:
                continue
            alone = self._send([waiting])
            delivered.update(alone.delivered)
            refused += alone.refused
            if alone.trouble:
                return Outcome([*delivered], refused, alone.trouble)
        return Outcome([*delivered], refused)

    def _send(self, portion: Sequence[Waiting]) -> Outcome:
        self._ended = [ended for ended in self._ended if not _gone(ended)]
        try:
            producer = self._producer = self._producer or self._connected()
            outcome = self._grown(producer) or self._sent(producer, portion)
        except KafkaError as error:
            outcome = Outcome(trouble=repr(error))
        if outcome.trouble or outcome.refused:
            self.close()
        return outcome

    def _sent(self, producer: KafkaProducer, portion: Sequence[Waiting]) -> Outcome:
        keyed = [(event.account_id.encode(), event.value) for _, event in portion]
        futures = [producer.send(self._topic, key=key, value=value, partition=self._home(key)) for key, value in keyed]
        _wait(producer, futures)
        return _outcome(portion, futures)

    def _grown(self, producer: KafkaProducer) -> Outcome | None:
        now = len(producer.partitions_for(self._topic))
        self._partitions = self._partitions or now
        if now == self._partitions:
            return None
        said = f"{self._topic} has {now} partitions, had {self._partitions} when this process began"
        return Outcome(trouble=f"{said}; when that is how the ledger was built anew, restart this process")

    def _home(self, key: bytes) -> int:
        return int((murmur2(key) & 0x7FFFFFFF) % self._partitions)

    def close(self) -> None:
        """See Transport."""
        producer, self._producer = self._producer, None
        if producer is not None:
            # Its own close(timeout=0) raises while anything waits, closes nothing, and sends it some day.
            producer._sender.force_close()
            self._ended.append(producer)

    def _connected(self) -> KafkaProducer:
        clients: list[KafkaNetClient] = []

        def client(**configs: Any) -> KafkaNetClient:
            clients.append(KafkaNetClient(**configs))
            return clients[-1]

        try:
            return KafkaProducer(
                **({"client_id": "ledger-client"} | self._security),
                kafka_client=client,
                bootstrap_servers=self._servers.split(","),
                bootstrap_timeout_ms=5_000,
                max_block_ms=5_000,
                reconnect_backoff_max_ms=1_000,
                request_timeout_ms=5_000,
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                # A batch holds a whole portion and leaves when it is flushed: never a part of it, never by itself.
                batch_size=2 * PORTION_BYTES,
                linger_ms=_NEVER_BY_ITSELF_MS,
                delivery_timeout_ms=2 * _NEVER_BY_ITSELF_MS,
            )
        except BaseException:
            for each in clients:  # kafka-python leaves its sockets to the garbage collector
                each.close()
            raise


def _gone(ended: KafkaProducer) -> bool:
    """Whether nothing is left of one that was let go."""
    if ended._sender.is_alive():
        return False
    with contextlib.suppress(KafkaError):
        ended.close(timeout=0)
    return True


def _wait(producer: KafkaProducer, futures: Sequence[Any]) -> None:
    """Until all is acknowledged or has failed. A batch that was too large is split, and its parts need a new flush."""
    deadline = time.monotonic() + ACKNOWLEDGED_SECONDS
    while not all(future.is_done for future in futures) and (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(KafkaError):
            producer.flush(timeout=left)


def _outcome(portion: Sequence[Waiting], futures: Sequence[Any]) -> Outcome:
    delivered, refused, trouble = [], [], ""
    for waiting, future in zip(portion, futures, strict=True):
        if future.succeeded():
            delivered.append(waiting.seq)
        elif isinstance(future.exception, _REFUSALS):
            refused.append(Refusal(waiting.seq, "too_large", f"Kafka refuses it: {future.exception}"))
        else:
            trouble = repr(future.exception) if future.is_done else "Kafka does not acknowledge"
    return Outcome(delivered, refused, trouble)
