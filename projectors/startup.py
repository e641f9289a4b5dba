"""Checks before a worker folds: topics unchanged, progress for every partition, views not lost."""

from kafka import KafkaConsumer, TopicPartition

from ledger.log.connecting import ANSWER_MS, kafka_options, refusals_in_words
from ledger.log.topics import check_topics
from ledger.postgres.connections import connect
from ledger.postgres.kinds import START
from ledger.postgres.release import WRONG_SHAPE, NotMigrated
from ledger.postgres.types import Connection
from ledger.records import rebuilds
from ledger.records.claiming import claim
from ledger.settings import Settings
from ledger.views.writing import SQL
from projectors.continuity import ViewsLost
from schemas.topics import EVENTS


def prepare(settings: Settings) -> int:
    """Checks the topics and creates progress for new ones. Returns the number of partitions of ledger.events.

    Raises TopicMissing, TopicChanged, LogHasAnotherOwner, ViewsLost, OtherRelease, RebuildRunning, RebuildUnfinished,
    KafkaRefusesUser or KafkaForbids.
    """
    with refusals_in_words(), connect(settings.database, START) as connection:
        try:
            rebuilds.share(connection)
            partitions = check_topics(settings, connection)
            if not settings.fold_only:
                claim(settings, connection)
            _make_progress(settings, connection, partitions)
        except WRONG_SHAPE as error:
            raise NotMigrated(error.diag.message_primary or "") from error
    return partitions


def _make_progress(settings: Settings, connection: Connection, partitions: int) -> None:
    name = settings.topic(EVENTS)
    row = connection.execute("SELECT projected_at FROM records.topics WHERE name = %s FOR UPDATE", (name,)).fetchone()
    stored = connection.execute("SELECT count(*) FROM views.progress").fetchone()
    if stored and stored[0] == partitions:
        return
    if row and row[0] and _has_records(settings, partitions):
        raise ViewsLost()
    connection.execute(SQL["make_progress"], {"partitions": partitions})
    connection.execute(
        "UPDATE records.topics SET projected_at = coalesce(projected_at, now()) WHERE name = %s", (name,)
    )


def _has_records(settings: Settings, partitions: int) -> bool:
    consumer = KafkaConsumer(**kafka_options(settings), enable_auto_commit=False)
    try:
        places = [TopicPartition(settings.topic(EVENTS), number) for number in range(partitions)]
        return any(consumer.end_offsets(places, timeout_ms=ANSWER_MS).values())
    finally:
        consumer.close()
