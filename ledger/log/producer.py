"""One idempotent producer of kafka-python, from its making to its end, which comes with its first failure.

kafka-python 3.0.12 forgets its producer id when a batch runs out of time, never asks for another one, and sends
nothing from then on; and one batch that the broker refuses makes it refuse all others. So a producer that has failed
once is ended at once: what still waits fails, and nothing more is sent. What was appended later never overtakes what
failed. `Publisher` makes another one. What is named with an underscore here is that version's.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.protocol.metadata import MetadataRequest

from ledger.log.connecting import check_may_write, kafka_options
from ledger.log.drafts import Headers
from ledger.settings import Settings

SILENT_SECONDS = 3  # shorter than any append waits: `silence` reports it before the first append fails
_CONNECT_SECONDS = 5
_OVERDUE_SECONDS = 2
_HEAR_SECONDS = 0.5
_POLL_SECONDS = 0.01
_NO_LEADER = -1


class Producer:
    """Connects, obtains its producer id and learns of `topics`. Raises KafkaError, and FoldOnly in a copy.

    `ended` is called, in any thread, when the producer has ended.
    """

    def __init__(
        self, settings: Settings, delivery_seconds: float, topics: Iterable[str], ended: Callable[[], None]
    ) -> None:
        check_may_write(settings)
        self._seconds, self._topics, self._ended = delivery_seconds, list(topics), ended
        self.failure: BaseException | None = None
        self.failed_at: TopicPartition | None = None
        self._kafka = KafkaProducer(
            **kafka_options(settings),
            bootstrap_timeout_ms=int(min(delivery_seconds, _CONNECT_SECONDS) * 1000),
            reconnect_backoff_max_ms=1000,
            client_id="ledger",
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            linger_ms=1,
            batch_size=262_144,
            max_block_ms=int(delivery_seconds * 1000),
            delivery_timeout_ms=int(delivery_seconds * 1000),
            request_timeout_ms=int(min(delivery_seconds, 10) * 1000) - 100,
        )
        self._cluster = self._kafka._metadata
        self._answered: dict[int, float] = {}
        self._asked: set[int] = set()
        try:
            self._wait_for_id()
            for topic in self._topics:
                self._kafka.partitions_for(topic)
            self._hear_leaders()
        except BaseException as error:
            self.end(error)
            self.gone(_CONNECT_SECONDS)
            raise

    def partitions(self, topic: str) -> int:
        """How many partitions of a topic (its full name) the producer sees now. Raises KafkaError."""
        try:
            return len(self._kafka.partitions_for(topic))
        except KafkaTimeoutError as error:  # it can't learn of the topic
            self.end(error)
            raise
        except RuntimeError as error:  # it was ended, and its sockets are closed
            raise KafkaError(str(error)) from error

    def send(self, topic: str, key: bytes, value: bytes, headers: Headers, partition: int | None = None) -> Any:
        """Sends a record to a topic (its full name); without a partition, to its key's. Raises KafkaError."""
        try:
            future = self._kafka.send(topic, key=key, value=value, headers=list(headers), partition=partition)
        except KafkaTimeoutError as error:  # it can't learn of the topic
            self.end(error)
            raise
        except RuntimeError as error:  # it was ended, and its sockets are closed
            raise KafkaError(str(error)) from error
        future.add_errback(partial(self._end_with, future))
        return future

    def end(self, error: BaseException) -> None:
        """Sends nothing more, and fails what waits; `gone` says when its thread and sockets are gone. Never blocks."""
        if self.failure is None:
            self.failure = error
            self._kafka._sender.force_close()
            self._ended()

    def gone(self, seconds: float) -> bool:
        """Whether an ended producer has left no thread and no socket. Waits up to `seconds` for its thread."""
        self._kafka._sender.join(seconds)
        if self._kafka._sender.is_alive():
            return False
        with suppress(KafkaError):
            self._kafka.close(timeout=0)
        return True

    def flush(self, seconds: float) -> None:
        """Waits for the appends under way."""
        with suppress(KafkaError):
            self._kafka.flush(seconds)

    def check(self) -> None:
        """Ends the producer when it can't continue although nothing has failed. Asks the leaders to answer."""
        if trouble := self._stuck():
            self.end(KafkaTimeoutError(trouble))
        else:
            self._ask_leaders()

    def silence(self) -> str:
        """Which brokers that lead our topics have not answered lately, as a sentence; empty when all have."""
        leaders, now = self._leaders(), time.monotonic()
        if _NO_LEADER in leaders:
            return "a partition has no leader"
        silent = sorted(node for node in leaders if now - self._answered.setdefault(node, now) > SILENT_SECONDS)
        return f"no answer lately from broker {', '.join(map(str, silent))}" if silent else ""

    def silent_seconds(self) -> float:
        """How long no leader of our topics has answered; 0 without topics."""
        return time.monotonic() - max(self._answered.values()) if self._answered else 0

    def _wait_for_id(self) -> None:
        transactions, deadline = self._kafka._transaction_manager, time.monotonic() + _CONNECT_SECONDS
        while not transactions.has_producer_id():
            if transactions.has_fatal_error():
                raise transactions.last_error
            if time.monotonic() > deadline:
                raise KafkaTimeoutError("no producer id")
            time.sleep(_POLL_SECONDS)

    def _hear_leaders(self) -> None:
        """Gives the leaders a moment to answer. Those that don't are silent from the beginning."""
        self._ask_leaders()
        deadline = time.monotonic() + _HEAR_SECONDS
        while self._asked and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        for node in self._leaders():
            self._answered.setdefault(node, time.monotonic() - SILENT_SECONDS)

    def _ask_leaders(self) -> None:
        for node in self._leaders():
            if node in self._asked:
                continue
            self._asked.add(node)
            manager = self._kafka._sender._client._manager
            request = MetadataRequest(topics=MetadataRequest.NO_TOPICS, allow_auto_topic_creation=False)
            asked = manager.call_soon(manager.send, request, node)
            asked.add_callback(partial(self._note_answer, node))
            asked.add_errback(partial(self._note_silence, node))

    def _stuck(self) -> str:
        transactions = self._kafka._transaction_manager
        if not self._kafka._sender.is_alive():
            return "its thread has ended"
        if transactions.has_fatal_error() or not transactions.has_producer_id():
            return "it has lost its producer id"
        oldest = min((batch.created for batch in self._kafka._accumulator._incomplete.all()), default=float("inf"))
        if time.monotonic() - oldest > self._seconds + _OVERDUE_SECONDS:
            return "a batch is overdue"
        return ""

    def _leaders(self) -> set[int]:
        """The brokers that lead partitions of our topics; -1 for a partition that has no leader."""
        places = [
            TopicPartition(topic, number)
            for topic in self._topics
            for number in self._cluster.partitions_for_topic(topic) or ()
        ]
        leaders = (self._cluster.leader_for_partition(place) for place in places)
        return {_NO_LEADER if leader is None else leader for leader in leaders}

    def _note_answer(self, node: int, _: object) -> None:
        self._answered[node] = time.monotonic()
        self._asked.discard(node)

    def _note_silence(self, node: int, _: object) -> None:
        self._asked.discard(node)
        self._cluster.request_update()  # another one may lead by now

    def _end_with(self, future: Any, error: BaseException) -> None:
        if self.failure is None:
            self.failed_at = future._produce_future.topic_partition
            self.end(error)
