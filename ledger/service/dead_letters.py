"""Dead letters: the ones in the views, and the record of each on the log."""

from datetime import datetime
from typing import NamedTuple

from kafka.consumer.fetcher import ConsumerRecord

from ledger.core.errors import LedgerError
from ledger.log.topic_reader import topic_reader
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.settings import Settings
from ledger.views.dead_letters import DeadLetter, find_dead_letter, list_dead_letters


class NoDeadLetter(LedgerError):
    message = "The record at this place is not a dead letter, or is not projected yet"


class Found(NamedTuple):
    """A dead letter and its record; None if the record can't be read."""

    letter: DeadLetter
    record: ConsumerRecord | None


def newest(
    settings: Settings, *, code: str | None, topic: str | None, since: datetime | None, limit: int
) -> list[DeadLetter]:
    """Dead letters, newest first. `topic`: its full name. `since`: by the log's time."""
    with connect(settings.database, COMMAND) as connection:
        return list_dead_letters(connection, code=code, topic=topic, since=since, limit=limit)


def at(settings: Settings, topic: str, partition: int, offset: int) -> Found:
    """The dead letter at a place. Raises NoDeadLetter."""
    with connect(settings.database, COMMAND) as connection:
        letter = find_dead_letter(connection, topic, partition, offset)
    if letter is None:
        raise NoDeadLetter(f"{topic}/{partition}/{offset}")
    if letter.code == "unreadable":
        return Found(letter, None)
    with topic_reader(settings, topic) as reader:
        return Found(letter, reader.at(partition, offset))
