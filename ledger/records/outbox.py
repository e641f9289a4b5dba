"""The outbox: messages written with a fold, in its transaction, and published after it; their ids are kept for ever."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import psycopg

from ledger.sql import statements

SQL = statements("ledger.records", "outbox.sql")

Connection = psycopg.Connection[Any]


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
    """The oldest messages of these partitions' folds that are not out yet, in the order of the fold."""
    rows = connection.execute(SQL["waiting"], {"partitions": list(partitions)}).fetchall()
    return [Message(str(message_id), *fields) for message_id, *fields in rows]


def replace(connection: Connection, message: Message) -> None:
    """Has the message go out as it is now."""
    connection.execute(SQL["replace"], message._asdict())


def refuse(connection: Connection, message: Message) -> None:
    """Sets a message aside that Kafka does not take; it is tried again after some minutes."""
    connection.execute(SQL["refuse"], message._asdict())


def mark_sent(connection: Connection, messages: Iterable[Message]) -> None:
    """Notes that messages are out."""
    connection.execute(SQL["sent"], {"ids": [message.message_id for message in messages]})
