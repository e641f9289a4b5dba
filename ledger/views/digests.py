"""Digests of what the views hold: per account and table one for each column, over the bytes that COPY writes.

Two accounts have equal digests exactly when they have the same rows in the same order, byte for byte. Digests of single
columns show which one differs, also when a table has gained or lost a column since. Rows are streamed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from psycopg.sql import SQL, Identifier

from ledger.postgres.types import Connection

# Every table that belongs to accounts, and the order of an account's rows there: a key, so that it is the only one.
ORDERS = {
    "entries": ("log_time", "seq"),
    "balances": (),
    "accounts": (),
    "purchases": ("purchase_id",),
    "quarantine": ("event_id", "signed"),
    "usage_days": ("day", "provider", "model", "api_key_id"),
}
DIGEST_BYTES = 8
_ROWS_AT_ONCE = 1_000
_COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('views.' || %s) AND attnum > 0 AND NOT attisdropped "
    "ORDER BY attnum"
)


class Digest(NamedTuple):
    """What one account has in one table. `account`: as COPY writes it; `digests`: one after the other, by column."""

    account: bytes
    table: str
    rows: int
    digests: bytes

    def line(self) -> bytes:
        """For COPY FROM."""
        return b"%b\t%b\t%d\t\\\\x%b\n" % (self.account, self.table.encode(), self.rows, self.digests.hex().encode())


def columns_of(connection: Connection) -> dict[str, list[str]]:
    """The columns of each table that is there, without the account's id."""
    found = {table: [name for (name,) in connection.execute(_COLUMNS, (table,))] for table in ORDERS}
    return {table: [name for name in names if name != "account_id"] for table, names in found.items() if names}


def digests(connection: Connection, columns: Mapping[str, list[str]]) -> Iterator[Digest]:
    """The digests of all accounts, table by table. `columns`: of each table, in order; missing ones are NULLs."""
    # What a session is set to must not change the bytes.
    connection.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres'")
    there = columns_of(connection)
    for table, names in columns.items():
        if table in there:
            yield from _digests_of(connection, table, names, {"account_id", *there[table]})


def different_columns(before: bytes | None, after: bytes | None, columns: Sequence[str]) -> list[str]:
    """Which columns differ; all of them when there is nothing on one side."""
    if before is None or after is None:
        return list(columns)
    at = range(0, len(columns) * DIGEST_BYTES, DIGEST_BYTES)
    return [
        name
        for name, start in zip(columns, at, strict=True)
        if before[start : start + DIGEST_BYTES] != after[start : start + DIGEST_BYTES]
    ]


def _digests_of(connection: Connection, table: str, columns: list[str], there: set[str]) -> Iterator[Digest]:
    select = SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(
        SQL(", ").join(Identifier(name) if name in there else SQL("NULL") for name in ("account_id", *columns)),
        Identifier("views", table),
        SQL(", ").join(Identifier(name) for name in ("account_id", *ORDERS[table]) if name in there),
    )
    with connection.cursor().copy(select) as copy:
        for account, pieces in _by_account(map(bytes, copy)):
            rows, sums = 0, [blake2b(digest_size=DIGEST_BYTES) for _ in columns]
            for piece in pieces:
                rows += len(piece)
                for each, values in zip(sums, _values(piece), strict=True):
                    each.update(values)
            yield Digest(account, table, rows, b"".join(each.digest() for each in sums))


def _values(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Column by column all values of some lines of COPY, in which a tab only ever ends a value; the id is left out."""
    for column in list(zip(*(line[:-1].split(b"\t") for line in lines), strict=True))[1:]:
        yield b"\n".join(column) + b"\n"


def _by_account(lines: Iterator[bytes]) -> Iterator[tuple[bytes, Iterator[list[bytes]]]]:
    """Lines of one account after the other, each in pieces of a bounded size."""
    following = next(lines, b"")

    def pieces(start: bytes) -> Iterator[list[bytes]]:
        nonlocal following
        piece, following = [following], b""
        for line in lines:
            if not line.startswith(start):
                following = line
                break
            piece.append(line)
            if len(piece) == _ROWS_AT_ONCE:
                yield piece
                piece = []
        if piece:
            yield piece

    while following:
        account = following[: following.index(b"\t")]
        yield account, pieces(account + b"\t")
