"""Reports dead letters: one log line and one count for each, without the record's content."""

from itertools import product
from typing import ClassVar

import structlog
from prometheus_client import Counter

from consumers.consumer import Received
from ledger.log.dead_letters import codes
from ledger.settings import Settings
from schemas.dead_letters import RecordDeadLettered
from schemas.topics import DEAD_LETTERS, TOPICS

COUNTER = Counter("ledger_dead_letters", "Dead letters since this process started.", ("topic", "code"))

log = structlog.get_logger()


class DeadLetters:
    """One warning per dead letter, with its place and code: `ledger deadletters show` has the rest."""

    name = "dead-letters"
    at_once = 1
    topics: ClassVar = (DEAD_LETTERS,)

    def __init__(self, settings: Settings) -> None:
        # Shown from zero, so that an alarm sees the first increase.
        for topic, code in product(map(settings.topic, (topic.name for topic in TOPICS)), codes()):
            COUNTER.labels(topic, code)

    def handle(self, received: Received) -> None:
        """Logs and counts it."""
        assert isinstance(received.event, RecordDeadLettered), "the topic has one type"
        dead = received.event.data
        log.warning("dead_letter", topic=dead.topic, partition=dead.partition, offset=dead.offset, code=dead.code)
        COUNTER.labels(dead.topic, dead.code).inc()
