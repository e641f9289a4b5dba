"""The simulated charger: answers each `auto_top_up.triggered` with a paid purchase, until there is a real one.

A trigger that an earlier run left in flight is answered too; the purchase of a trigger is always the same event.
"""

import asyncio
import threading

import psycopg
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from ledger.dev.router import Router
from ledger.log.connecting import kafka_options
from ledger.settings import Settings
from schemas.effects import EFFECT, AutoTopUpTriggered
from schemas.money import format_nanos
from schemas.topics import TOP_UPS

BANK_SECONDS = 1.5


class Charger:
    """Reads `ledger.topups` from its end on; `triggers` counts what it read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(TOP_UPS)
        self._consumer = KafkaConsumer(**kafka_options(settings), enable_auto_commit=False)
        self._consumer.assign(
            [TopicPartition(self._topic, number) for number in self._consumer.partitions_for_topic(self._topic) or ()]
        )
        self._consumer.seek_to_end()
        for partition in self._consumer.assignment():
            self._consumer.position(partition)  # the end is looked up now, and not at the first poll
        self._one_at_a_time = threading.Lock()  # a cancelled read goes on in its thread for a moment
        self.triggers = 0

    async def run(self, router: Router) -> None:
        """Charges until it is cancelled."""
        async with asyncio.TaskGroup() as charges:
            for account_id, trigger_id, credits in self._left_in_flight():
                charges.create_task(self._charge(router, account_id, trigger_id, credits))
            while True:
                for triggered in await asyncio.to_thread(self._read, 200):
                    data = triggered.data
                    charges.create_task(self._charge(router, triggered.subject, data.trigger_id, data.credits))

    def count_the_rest(self) -> None:
        """Reads up to the end of the topic, to count; charges nothing."""
        with self._one_at_a_time:
            ends = self._consumer.end_offsets(list(self._consumer.assignment()))
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            self._read(200)

    def close(self) -> None:
        """Lets go of the consumer."""
        with self._one_at_a_time:
            self._consumer.close()

    def _read(self, timeout_ms: int) -> list[AutoTopUpTriggered]:
        with self._one_at_a_time:
            polled: dict[TopicPartition, list[ConsumerRecord]] = self._consumer.poll(timeout_ms=timeout_ms)
        effects = [EFFECT.validate_json(record.value) for records in polled.values() for record in records]
        triggered = [effect for effect in effects if isinstance(effect, AutoTopUpTriggered)]
        self.triggers += len(triggered)
        return triggered

    def _left_in_flight(self) -> list[tuple[str, str, str]]:
        with psycopg.connect(self._settings.database) as connection:
            rows = connection.execute(
                "SELECT account_id, trigger_id::text, trigger_credits FROM views.accounts WHERE state = 'in_flight'"
            ).fetchall()
        return [(account_id, trigger_id, format_nanos(nanos)) for account_id, trigger_id, nanos in rows]

    @staticmethod
    async def _charge(router: Router, account_id: str, trigger_id: str, credits: str) -> None:
        router.said(account_id, f"below its threshold: charging ${credits}")
        await asyncio.sleep(BANK_SECONDS)
        await router.buy(account_id, credits, trigger_id)
        router.said(account_id, f"auto top-up of ${credits} paid")
