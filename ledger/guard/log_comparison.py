"""One comparison of the log with what Postgres remembers: topics, settings, and the record that was folded last."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from kafka import TopicPartition

from ledger.core.errors import LedgerError
from ledger.log.connecting import LogUnavailable
from ledger.log.continuity import Folded, Stretch, compare, diverged
from ledger.log.kafka_python_fixes import LogUnreadable
from ledger.log.ownership import LogHasAnotherOwner, check_owner
from ledger.log.survey import Survey, Surveyor
from ledger.log.topics import RememberedTopic, differences, lost_records, note_ends, remembered_topics
from ledger.postgres.connections import connect
from ledger.postgres.kinds import GUARD
from ledger.postgres.release import WRONG_SHAPE, OtherRelease
from ledger.postgres.types import Connection
from ledger.records.skips import skipped_stretches
from ledger.settings import Settings
from ledger.views.writing import folded_positions
from schemas.topics import EVENTS, TOPICS


class RememberedLog(NamedTuple):
    """What Postgres remembers of the log."""

    topics: Mapping[str, RememberedTopic]
    folded: Mapping[int, Folded]
    skipped: Collection[Stretch]


class ComparisonOutcome(NamedTuple):
    """What is wrong with the log, and the partitions of which that is not known now."""

    problems: list[LedgerError]
    doubtful: frozenset[TopicPartition]
    memory: RememberedLog
    survey: Survey

    def lost_acknowledged(self, acknowledged: Mapping[TopicPartition, int]) -> list[LedgerError]:
        """Partitions that lost acknowledged records. `acknowledged`: the offset behind the last one, by partition."""
        known, now, ends = self.memory.topics, self.survey.topics, self.survey.ends
        differences = [
            f"{place.topic}/{place.partition} ends at {ends[place]}, acknowledged up to {reached}: it lost its tail"
            for place, reached in sorted(acknowledged.items())
            if ends.get(place, reached) < reached and now[place.topic].topic_id == known[place.topic].topic_id
        ]
        return diverged(differences)


class LogComparison:
    """The connections that a comparison needs, kept from one to the next. Not for several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._surveyor = Surveyor(settings)
        self._database: Connection | None = None
        self._memory: RememberedLog | None = None
        self._ours = settings.fold_only  # a copy writes nothing, so whose log it reads is no matter

    def compare(self) -> ComparisonOutcome:
        """While Postgres does not answer, it compares with Postgres' last answer.

        Raises psycopg.Error when it has no memory yet, LogUnavailable when Postgres remembers no topics, KafkaError,
        KafkaRefusesUser, KafkaForbids.
        """
        memory = self._remembered()
        try:
            survey = self._surveyor.survey()
            problems = [*differences(self._settings, survey, memory.topics), *lost_records(survey, memory.topics)]
            problems += self._claims_of_others()
            topic = self._settings.topic(EVENTS)
            known, now = memory.topics[topic], survey.topics.get(topic)
            doubtful = survey.unanswered
            if now is not None and (now.topic_id, now.partitions) == (known.topic_id, known.partitions):
                compared = compare(self._surveyor, survey, topic, memory.folded, memory.skipped)
                problems += diverged(compared.differences.values())
                doubtful |= compared.unanswered
        except LogUnreadable as error:
            self._surveyor.close()
            problems.append(error)
        except BaseException:
            self._surveyor.close()
            raise
        if not problems:
            with self._postgres_may_be_away():
                note_ends(self._settings, self._connection(), survey, memory.topics)
        return ComparisonOutcome(problems, doubtful, memory, survey)

    def close(self) -> None:
        """Closes the connections."""
        self._surveyor.close()
        self._disconnect()

    def _remembered(self) -> RememberedLog:
        with self._postgres_may_be_away():
            topics = remembered_topics(self._settings, self._connection())
            if len(topics) < len(TOPICS):
                raise LogUnavailable("its topics are not remembered yet: run `ledger bootstrap` or `ledger project`")
            connection, topic = self._connection(), self._settings.topic(EVENTS)
            self._memory = RememberedLog(topics, folded_positions(connection), skipped_stretches(connection, topic))
        assert self._memory is not None, "without anything remembered, Postgres' error was raised"
        return self._memory

    def _claims_of_others(self) -> Iterator[LedgerError]:
        """Whether another database has this log; asked until the answer was no."""
        if not self._ours:
            try:
                check_owner(self._settings, self._connection())
                self._ours = True
            except LogHasAnotherOwner as error:
                yield error

    @contextmanager
    def _postgres_may_be_away(self) -> Iterator[None]:
        try:
            yield
        except WRONG_SHAPE as error:
            raise OtherRelease(error.diag.message_primary or "") from error
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._disconnect()
            if self._memory is None:
                raise

    def _connection(self) -> Connection:
        if self._database is None:
            self._database = connect(self._settings.database, GUARD)
        return self._database

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
