"""Sessions of the billing page: a link opens one, only once and within minutes; a cookie carries it for two hours.

A link has 192 random bits, a cookie 256. Only their hashes are stored, as of API keys.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg.rows import class_row

from ledger.postgres.types import AsyncConnection, Connection
from ledger.sql import statements

SQL = statements("ledger.records", "portal_sessions.sql")
VISIT_LINK_LASTS = timedelta(minutes=5)
SESSION_LASTS = timedelta(hours=2)


class NewLink(NamedTuple):
    """`token` is part of the link, and stored nowhere."""

    token: str
    until: datetime


class PortalSession(NamedTuple):
    """A customer's visit. `page`: where the link leads to; `return_url`: where the page leads back to."""

    session_id: str
    account_id: str
    page: str
    return_url: str | None


class OpenedSession(NamedTuple):
    """A session and the cookie that carries it, which is stored nowhere."""

    session: PortalSession
    cookie: str


async def create(
    connection: AsyncConnection, account_id: str, page: str, return_url: str | None, lasts: timedelta = VISIT_LINK_LASTS
) -> NewLink:
    """A link for an account's customer."""
    token = secrets.token_urlsafe(24)  # short enough for one line of a terminal
    parameters = {"account_id": account_id, "page": page, "return_url": return_url, "lasts": lasts}
    row = await (await connection.execute(SQL["create"], {**parameters, "link_hash": _hash(token)})).fetchone()
    assert row, "an insert of one row returns it"
    return NewLink(token, row[0])


async def open_(connection: AsyncConnection, token: str) -> OpenedSession | None:
    """Opens the session of a link; None when the link was opened before, is too old, or does not exist."""
    cookie = secrets.token_urlsafe(32)
    parameters = {"link_hash": _hash(token), "cookie_hash": _hash(cookie), "lasts": SESSION_LASTS}
    found = await _one(connection, "open", parameters)
    return OpenedSession(found, cookie) if found else None


async def find(connection: AsyncConnection, cookie: str) -> PortalSession | None:
    """The session that a browser has; None when it is over."""
    return await _one(connection, "find", {"cookie_hash": _hash(cookie)})


async def close(connection: AsyncConnection, session_id: str) -> None:
    """Ends a session."""
    await connection.execute(SQL["close"], {"session_id": session_id})


def delete_old(connection: Connection) -> int:
    """Drops sessions that ended more than a day ago; returns how many."""
    return connection.execute(SQL["forget"]).rowcount


async def _one(connection: AsyncConnection, name: str, parameters: dict[str, Any]) -> PortalSession | None:
    async with connection.cursor(row_factory=class_row(PortalSession)) as cursor:
        return await (await cursor.execute(SQL[name], parameters)).fetchone()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
