"""The outbox: messages that a fold writes in its transaction, published after it. Their ids are never dropped."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "outbox.sql")


class Message(NamedTuple):
    """What is to be published. `message_id` follows from its cause; `topic` is a name of schemas.topics."""

    message_id: str
    topic: str
    key: bytes
    value: bytes
    signature: str | None


def put(connection: Connection, partition: int, messages: Iterable[Message]) -> None:
    """Adds messages of a partition's fold; those whose id is known are not added again."""
    rows = [{"partition": partition, **message._asdict()} for message in messages]
    if rows:
        connection.cursor().executemany(SQL["put"], rows)


def waiting(connection: Connection, partitions: Sequence[int]) -> list[Message]:
    """The oldest messages of these partitions' folds that are not published yet, in the order of the fold."""
    rows = connection.execute(SQL["waiting"], {"partitions": list(partitions)}).fetchall()
    return [Message(str(message_id), *fields) for message_id, *fields in rows]


def replace(connection: Connection, message: Message) -> None:
    """Replaces the value and signature of a message that waits."""
    connection.execute(SQL["replace"], message._asdict())


def refuse(connection: Connection, message: Message) -> None:
    """Sets a message aside that Kafka does not take; it is tried again after some minutes."""
    connection.execute(SQL["refuse"], message._asdict())


def mark_sent(connection: Connection, messages: Iterable[Message]) -> None:
    """Marks messages as published."""
    connection.execute(SQL["sent"], {"ids": [message.message_id for message in messages]})


@contextmanager
def published_ids(connection: Connection) -> Iterator[Callable[[str, bool], None]]:
    """Collects ids of messages that are on their topics. `moved`: it names a place that has another record now."""
    connection.execute(SQL["drop_published"])
    connection.execute(SQL["make_published"])
    with connection.cursor().copy(SQL["copy_published"]) as copy:
        yield lambda message_id, moved: copy.write_row((message_id, moved))


def count_lost(connection: Connection, topics: Sequence[str]) -> dict[str, int]:
    """How many messages were published and are no longer on their topic, by topic."""
    return dict(connection.execute(SQL["count_lost"], {"topics": list(topics)}).fetchall())


def forget_lost(connection: Connection, topics: Sequence[str]) -> None:
    """Deletes messages that are no longer on their topics, so that a second fold writes them again."""
    connection.execute(SQL["forget_lost"], {"topics": list(topics)})


def forget_sent(connection: Connection, topic: str) -> None:
    """Deletes all published messages of a topic."""
    connection.execute(SQL["forget_sent"], {"topic": topic})
