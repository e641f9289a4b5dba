"""Whether the log is still the one that was folded, asked at every assignment, reconnect and jump."""

from contextlib import closing

from kafka.errors import KafkaTimeoutError

from ledger.core.errors import LedgerError
from ledger.guard.comparing import Comparing
from ledger.log.topics import refuse
from ledger.settings import Settings
from schemas.topics import EVENTS


class ViewsLost(LedgerError):
    """The views are empty but the log was folded before. Run `ledger rebuild`."""


def check_continuity(settings: Settings, partitions: set[int]) -> None:
    """Compares the topics with what is remembered, and what was folded with what is there.

    Raises TopicMissing, TopicChanged, TopicMisconfigured, LogDiverged; or KafkaError, LogUnavailable and psycopg's
    OperationalError, which say nothing about the log.
    """
    with closing(Comparing(settings)) as comparing:
        outcome = comparing.compare()
    refuse(outcome.problems)
    topic = settings.topic(EVENTS)
    silent = sorted(place.partition for place in outcome.doubtful if place.topic == topic)
    if asked := partitions.intersection(silent):
        raise KafkaTimeoutError(f"{topic}: no leader answers for {', '.join(map(str, sorted(asked)))}")
