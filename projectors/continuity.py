"""Checks that the log is still the one that was folded: at each assignment, reconnect and jump."""

from collections.abc import Iterable
from contextlib import closing

from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.guard.log_comparison import LogComparison
from ledger.log.continuity import compare
from ledger.log.survey import Surveyor
from ledger.log.topics import refuse
from ledger.postgres.types import Connection
from ledger.records.skips import skipped_stretches
from ledger.settings import Settings
from ledger.views.writing import folded_positions
from schemas.topics import EVENTS


class ViewsLost(LedgerError, exit_code=EXIT_CONFIG):
    message = "The views are empty but the log was folded before. Run `ledger rebuild`"


def check_continuity(settings: Settings, partitions: set[int]) -> None:
    """Compares the topics with what is remembered, and what was folded with what is there.

    Raises TopicMissing, TopicChanged, TopicMisconfigured, LogDiverged, LogUnreadable, OtherRelease; or KafkaError,
    LogUnavailable and psycopg's OperationalError, which say nothing about the log.
    """
    with closing(LogComparison(settings)) as comparing:
        outcome = comparing.compare()
    refuse(outcome.problems)
    _refuse_silence(settings, partitions, outcome.doubtful)


def diverged(settings: Settings, connection: Connection) -> dict[int, str]:
    """By partition, why the log is not the one that was folded, also if its topic is another.

    Raises as `check_continuity`.
    """
    topic = settings.topic(EVENTS)
    stored, skips = folded_positions(connection), skipped_stretches(connection, topic)
    with Surveyor(settings) as surveyor:
        compared = compare(surveyor, surveyor.survey(), topic, stored, skips)
    _refuse_silence(settings, set(stored), compared.unanswered)
    return {place.partition: reason for place, reason in compared.differences.items()}


def _refuse_silence(settings: Settings, partitions: set[int], silent: Iterable[TopicPartition]) -> None:
    topic = settings.topic(EVENTS)
    if asked := partitions & {place.partition for place in silent if place.topic == topic}:
        raise KafkaTimeoutError(f"{topic}: no leader answers for {', '.join(map(str, sorted(asked)))}")
