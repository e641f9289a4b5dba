"""The topics on the broker: created once by schemas.topics, remembered in Postgres, refused when they differ later.

A topic that was deleted and made again, whose partitions were grown, or whose settings drop records, would fold
accounts in two places or silently lose the past. So all of that is compared at every start, and while it runs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from kafka import TopicPartition
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.connecting import administrating, check_may_write
from ledger.log.continuity import diverged
from ledger.log.new_topics import wait_until_known
from ledger.log.ownership import check_owner
from ledger.log.survey import Survey, Surveyor, TopicState
from ledger.log.topic_settings import created_with, misconfigured
from ledger.postgres.connections import connect
from ledger.postgres.kinds import QUESTION
from ledger.postgres.types import Connection
from ledger.settings import Settings
from ledger.sql import statements
from schemas.topics import EVENTS, TOPICS, Topic

SQL = statements("ledger.log", "topics.sql")


class TopicChanged(LedgerError, exit_code=EXIT_CONFIG):
    message = "A topic is not the one that this ledger was built on; `ledger recover` fills it and accepts it"


class TopicMissing(LedgerError, exit_code=EXIT_CONFIG):
    message = "A topic is missing. Restore it; a new ledger or version makes its topics with `ledger topics --create`"


class RememberedTopic(NamedTuple):
    """A topic as it was when it was remembered. `ends`: the furthest ends that were seen since."""

    topic_id: str
    partitions: int
    replicas: int | None
    begins: Sequence[int] | None
    ends: Sequence[int] | None
    since: datetime


def create_topics(settings: Settings) -> list[str]:
    """Makes the topics that are missing, and returns their names. Raises FoldOnly."""
    check_may_write(settings)
    made = []
    with administrating(settings) as admin:
        for topic in TOPICS:
            try:
                admin.create_topics([_new_topic(topic, settings)], validate_only=False)
                made.append(settings.topic(topic.name))
            except TopicAlreadyExistsError:
                continue
        wait_until_known(admin, [settings.topic(topic.name) for topic in TOPICS])
    return made


def check_topics(settings: Settings, connection: Connection, *, whole: bool = True) -> int:
    """Compares the topics with what Postgres remembers, remembers new ones; returns the partitions of ledger.events.

    `whole` False: records may be gone. Raises TopicMissing, TopicChanged, TopicMisconfigured or LogDiverged, which name
    all that is wrong at once; and LogHasAnotherOwner.
    """
    before, survey = remembered_topics(settings, connection), survey_of(settings)
    refuse([*differences(settings, survey, before), *(lost_records(survey, before) if whole else ())])
    for name in survey.topics.keys() - {place.topic for place in survey.unanswered}:
        if name not in before or before[name].begins is None:
            connection.execute(SQL["remember"], _facts(name, survey))
    note_ends(settings, connection, survey, before)
    connection.commit()
    if not settings.fold_only:
        check_owner(settings, connection)
    return survey.topics[settings.topic(EVENTS)].partitions


def changed_topics(settings: Settings, connection: Connection) -> list[str]:
    """The topics that were made again or cut, by full name.

    Raises TopicMissing; and TopicChanged or TopicMisconfigured when one can't take the place of the old one.
    """
    known, survey = remembered_topics(settings, connection), survey_of(settings)
    refuse(_missing(settings, survey))
    changed = []
    for topic in TOPICS:
        name = settings.topic(topic.name)
        before, now = known.get(name), survey.topics[name]
        if before is not None and now.partitions != before.partitions:
            raise TopicChanged(f"{name} has {now.partitions} partitions, had {before.partitions}; make it as it was")
        refuse(list(filter(None, [misconfigured(name, topic.name, now.settings, now.replicas)])))
        if before is not None and (before.topic_id != now.topic_id or any(_losses(name, survey, before))):
            changed.append(name)
    return changed


def accept_topics(settings: Settings, connection: Connection) -> None:
    """Remembers the topics as they are, in the caller's transaction. Raises TopicMissing."""
    survey = survey_of(settings)
    refuse(_missing(settings, survey))
    for name in survey.topics:
        connection.execute(SQL["accept"], _facts(name, survey))


def topic_ids(settings: Settings) -> dict[str, str]:
    """The id of each topic, by full name. Raises TopicMissing."""
    survey = survey_of(settings)
    refuse(_missing(settings, survey))
    return {name: found.topic_id for name, found in survey.topics.items()}


def survey_of(settings: Settings) -> Survey:
    """The current state of the topics on the brokers."""
    with Surveyor(settings) as surveyor:
        return surveyor.survey()


def remembered_topics(settings: Settings, connection: Connection) -> dict[str, RememberedTopic]:
    """What is remembered, by full name."""
    names = [settings.topic(topic.name) for topic in TOPICS]
    return {name: RememberedTopic(*rest) for name, *rest in connection.execute(SQL["known"], {"names": names})}


def partitions_built_on(settings: Settings, name: str) -> int | None:
    """How many partitions a topic had when it was remembered; None if it was not. Raises psycopg's OperationalError."""
    with connect(settings.database, QUESTION) as connection:
        known = remembered_topics(settings, connection).get(name)
    return known and known.partitions


def note_ends(settings: Settings, connection: Connection, survey: Survey, known: Mapping[str, RememberedTopic]) -> None:
    """Remembers the ends of the topics, except those of ledger.events, which the views know."""
    for name in survey.topics.keys() - {settings.topic(EVENTS)}:
        before, ends = known.get(name), _of(survey.ends, name, survey.topics[name])
        if before is not None and None not in ends and list(before.ends or ()) != ends:
            connection.execute(SQL["reached"], {"name": name, "ends": ends})


def differences(settings: Settings, survey: Survey, known: Mapping[str, RememberedTopic]) -> list[LedgerError]:
    """How the topics differ from those that Postgres remembers, or would lose what is written to them."""
    found = _missing(settings, survey)
    for topic in TOPICS:
        name = settings.topic(topic.name)
        if name in survey.topics:
            now = survey.topics[name]
            found += _changes(name, now, known.get(name))
            found += filter(None, [misconfigured(name, topic.name, now.settings, now.replicas)])
    return found


def lost_records(survey: Survey, known: Mapping[str, RememberedTopic]) -> list[LedgerError]:
    """Records of the same topics that are gone from their beginnings or ends."""
    return diverged(loss for name in survey.topics for loss in _losses(name, survey, known.get(name)))


def refuse(problems: Sequence[LedgerError]) -> None:
    """Raises the first of the problems; its text names all of them."""
    if problems:
        first, *rest = problems
        raise type(first)(" · ".join([first.detail, *(str(problem) for problem in rest)]))


def _missing(settings: Settings, survey: Survey) -> list[LedgerError]:
    missing = [name for topic in TOPICS if (name := settings.topic(topic.name)) not in survey.topics]
    return [TopicMissing(", ".join(missing))] if missing else []


def _changes(name: str, now: TopicState, before: RememberedTopic | None) -> Iterator[LedgerError]:
    if before is None:
        return
    if now.topic_id != before.topic_id:
        yield TopicChanged(f"{name} was created again: its id is {now.topic_id}, was {before.topic_id}")
    if now.partitions != before.partitions:
        yield TopicChanged(f"{name} has {now.partitions} partitions, was built with {before.partitions}")
    if now.replicas < (before.replicas or 1):
        yield TopicChanged(f"{name} has {now.replicas} replicas, had {before.replicas}: reassign its partitions")


def _losses(name: str, survey: Survey, before: RememberedTopic | None) -> Iterator[str]:
    now = survey.topics[name]
    if before is None or (before.topic_id, before.partitions) != (now.topic_id, now.partitions):
        return
    for number, (begin, was) in _pairs(survey.begins, name, before.begins):
        if begin > was:
            yield f"{name}/{number} begins at {begin}, began at {was}: records were deleted"
    for number, (end, was) in _pairs(survey.ends, name, before.ends):
        if end < was:
            yield f"{name}/{number} ends at {end}, reached {was}: it lost its tail"


def _pairs(
    now: Mapping[TopicPartition, int], name: str, before: Sequence[int] | None
) -> Iterable[tuple[int, tuple[int, int]]]:
    for number, was in enumerate(before or ()):
        if (place := TopicPartition(name, number)) in now:
            yield number, (now[place], was)


def _facts(name: str, survey: Survey) -> dict[str, object]:
    found = survey.topics[name]
    return {
        "name": name,
        "topic_id": found.topic_id,
        "partitions": found.partitions,
        "replicas": found.replicas,
        "begins": [begin or 0 for begin in _of(survey.begins, name, found)],
        "ends": [end or 0 for end in _of(survey.ends, name, found)],
    }


def _of(offsets: Mapping[TopicPartition, int], name: str, found: TopicState) -> list[int | None]:
    return [offsets.get(TopicPartition(name, number)) for number in range(found.partitions)]


def _new_topic(topic: Topic, settings: Settings) -> NewTopic:
    return NewTopic(
        settings.topic(topic.name),
        num_partitions=topic.partitions or settings.event_partitions,
        replication_factor=settings.replication_factor,
        topic_configs=created_with(settings.replication_factor),
    )
