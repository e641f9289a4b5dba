"""What readers share: the named statements, the type of their connection, and fetching rows as values."""

from collections.abc import Mapping
from typing import Any, TypeVar

from psycopg.rows import class_row

from ledger.postgres.types import AsyncConnection
from ledger.sql import statements

Row = TypeVar("Row")

SQL = statements("ledger.views", "queries.sql")


async def fetch_one(
    connection: AsyncConnection, kind: type[Row], name: str, parameters: Mapping[str, Any]
) -> Row | None:
    """The first row of a statement as a `kind`, whose fields are its columns."""
    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        return await (await cursor.execute(SQL[name], parameters)).fetchone()


async def fetch_all(
    connection: AsyncConnection, kind: type[Row], name: str, parameters: Mapping[str, Any] | None = None
) -> list[Row]:
    """Every row of a statement."""
    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        return await (await cursor.execute(SQL[name], parameters)).fetchall()
