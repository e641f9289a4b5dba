"""The limit that projection is compared with: raw COPY of the same rows into a table with the same indexes."""

import time
from concurrent.futures import ThreadPoolExecutor

from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND, COMMAND_AUTOCOMMIT
from ledger.postgres.types import Connection

BATCH_ROWS = 5_000


def copy_rate(database: str, connections: int) -> float:
    """Rows per second that `connections` connections copy, in durable transactions of 5,000 rows."""
    with connect(database, COMMAND_AUTOCOMMIT) as connection:
        connection.execute("CREATE SCHEMA bench; CREATE TABLE bench.entries (LIKE views.entries INCLUDING ALL)")
        batches = _batches(connection)
        connection.execute("CHECKPOINT")  # so that this measurement does not write the projection's pages
    started = time.monotonic()
    with ThreadPoolExecutor(connections) as threads:
        rows = sum(threads.map(lambda own: _copy(database, batches[own::connections]), range(connections)))
    return rows / (time.monotonic() - started)


def _batches(connection: Connection) -> list[tuple[int, bytes]]:
    """All rows of the ledger in the order in which they were written, as COPY text."""
    batches, held = list[tuple[int, bytes]](), list[bytes]()
    query = "COPY (SELECT * FROM views.entries ORDER BY log_time, partition, log_offset) TO STDOUT"
    with connection.cursor().copy(query) as rows:
        for row in rows:
            held.append(bytes(row))
            if len(held) == BATCH_ROWS:
                batches.append((len(held), b"".join(held)))
                held = []
    return [*batches, (len(held), b"".join(held))]


def _copy(database: str, batches: list[tuple[int, bytes]]) -> int:
    with connect(database, COMMAND) as connection:
        for _, text in batches:
            with connection.cursor().copy("COPY bench.entries FROM STDIN") as copy:
                copy.write(text)
            connection.commit()
    return sum(count for count, _ in batches)
