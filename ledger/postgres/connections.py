"""Connecting to Postgres: the only place of the program that does. The kinds of connection are in `kinds`."""

import contextlib
import os
import socket
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ledger.postgres.kinds import Kind
from ledger.postgres.release import check, check_async
from ledger.postgres.types import AsyncConnection, Connection


def connect(database: str, kind: Kind) -> Connection:
    """A connection of this kind, no transaction begun. Raises psycopg.OperationalError and OtherRelease."""
    connection: Connection = psycopg.connect(database, **arguments(database, kind))
    if not kind.checks_release:
        return connection
    try:
        check(connection, with_views=kind.checks_views)
        if not kind.autocommit:
            connection.rollback()
    except BaseException:
        connection.close()
        raise
    return connection


async def connect_async(database: str, kind: Kind) -> AsyncConnection:
    """`connect` for asyncio."""
    connection: AsyncConnection = await psycopg.AsyncConnection.connect(database, **arguments(database, kind))
    if not kind.checks_release:
        return connection
    try:
        await check_async(connection, with_views=kind.checks_views)
        if not kind.autocommit:
            await connection.rollback()
    except BaseException:
        await connection.close()
        raise
    return connection


def arguments(database: str, kind: Kind) -> dict[str, Any]:
    """The options of a kind, behind those that the connection string itself has."""
    found = kind.arguments()
    if own := conninfo_to_dict(database).get("options"):
        found["options"] = f"{own} {found['options']}"
    return found


def interrupt(connection: Connection | AsyncConnection) -> None:
    """Shuts a connection down from our side: a thread that waits for an answer gets OperationalError at once."""
    with (
        contextlib.suppress(psycopg.Error, OSError),  # it may have ended already
        socket.socket(fileno=os.dup(connection.fileno())) as same,
    ):
        same.shutdown(socket.SHUT_RDWR)
