"""How far each consumer of facts is in each partition. A position moves in the transaction of the work, not before."""

from ledger.postgres.types import Connection
from ledger.sql import statements

SQL = statements("ledger.records", "fact_positions.sql")


def lock(connection: Connection, consumer: str, partition: int) -> int:
    """The next offset to look at; it is locked until the caller's transaction ends."""
    row = connection.execute(SQL["lock"], {"consumer": consumer, "partition": partition}).fetchone()
    assert row, "an upsert returns its row"
    return int(row[0])


def move(connection: Connection, consumer: str, partition: int, offset: int) -> None:
    """Marks everything before the offset as done, in the caller's transaction."""
    connection.execute(SQL["move"], {"consumer": consumer, "partition": partition, "offset": offset})
