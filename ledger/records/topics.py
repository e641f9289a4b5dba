"""The topics of this installation: created when they are missing, claimed for this database, and checked."""

from typing import NamedTuple

from ledger.log.topics import check_topics, create_topics
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND_WITHOUT_VIEWS
from ledger.records.claiming import claim
from ledger.settings import Settings
from schemas.topics import TOPICS


class InstalledTopic(NamedTuple):
    """A topic by its full name. `holds`: its content, in words. `created`: it was missing until now."""

    name: str
    partitions: int
    key: str
    holds: str
    created: bool


def install_topics(settings: Settings, *, create: bool = False, take_over: bool = False) -> list[InstalledTopic]:
    """All topics, after they were checked. `take_over`: claims the log, also from another database.

    Raises TopicMissing, TopicChanged, TopicMisconfigured, LogDiverged, LogHasAnotherOwner, FoldOnly, LogUnavailable or
    KafkaError.
    """
    made = create_topics(settings) if create else []
    # A rebuild needs the topics first, so the views may be of another version.
    with connect(settings.database, COMMAND_WITHOUT_VIEWS) as connection:
        if take_over:
            claim(settings, connection, take_over=True)
        partitions = check_topics(settings, connection)
    named = [(settings.topic(topic.name), topic) for topic in TOPICS]
    return [
        InstalledTopic(name, topic.partitions or partitions, topic.key, topic.holds, name in made)
        for name, topic in named
    ]
