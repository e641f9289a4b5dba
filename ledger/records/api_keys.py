"""Keys of the HTTP API: `lk_<key id>_<secret>`, of which only a hash is kept. A key may be one account's.

A secret has 256 random bits, so a plain SHA-256 can't be guessed backwards and needs no salt. Revoking is for ever,
also when the database is restored: the event that it notes is on the log.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from ledger.core.errors import LedgerError
from ledger.core.scopes import SCOPES, Scope, is_scope
from ledger.postgres.types import AsyncConnection, Connection
from ledger.records import log_events
from ledger.sql import statements

SQL = statements("ledger.records", "api_keys.sql")
_TOKEN = re.compile(r"lk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class UnknownScope(LedgerError):
    message = "There is no such scope"


class UnknownKey(LedgerError):
    message = "There is no key of this id"


class NewKey(NamedTuple):
    """`token` is shown once, to whom it is for, and kept nowhere."""

    key_id: str
    token: str


class KeyInfo(NamedTuple):
    """What may be shown of a key. `account_id` "": an operator's key, for all accounts."""

    key_id: str
    account_id: str
    scopes: list[str]
    description: str
    created_at: datetime
    revoked_at: datetime | None


class StoredKey(NamedTuple):
    """What a token is checked against. `recent`: this database is in use, or was a quarter of an hour ago."""

    key_id: str
    secret_hash: bytes
    account_id: str
    scopes: list[Scope]
    recent: bool


class Token(NamedTuple):
    """The key id and secret of a request, not checked yet."""

    key_id: str
    secret: str

    def proves(self, stored: StoredKey) -> bool:
        """Whether this is the token of that key; takes as long when it is not."""
        return hmac.compare_digest(_hash(self.secret), stored.secret_hash)


def create(connection: Connection, scopes: Iterable[str], account_id: str = "", description: str = "") -> NewKey:
    """Makes a key. Raises UnknownScope."""
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if not is_scope(scope)]
    if unknown:
        raise UnknownScope(f"{', '.join(unknown)}; there are {', '.join(SCOPES)}")
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    fields = {"key_id": key_id, "secret_hash": _hash(secret), "account_id": account_id}
    connection.execute(SQL["create"], {**fields, "scopes": wanted, "description": description})
    return NewKey(key_id, f"lk_{key_id}_{secret}")


def listed(connection: Connection, account_id: str | None = None) -> list[KeyInfo]:
    """The keys of one account (of operators: ""), or all; oldest first, the revoked ones too."""
    with connection.cursor(row_factory=class_row(KeyInfo)) as cursor:
        return cursor.execute(SQL["list"], {"account_id": account_id}).fetchall()


def key_info(connection: Connection, key_id: str) -> KeyInfo:
    """What may be shown of one key. Raises UnknownKey."""
    with connection.cursor(row_factory=class_row(KeyInfo)) as cursor:
        found = cursor.execute(SQL["info"], {"key_id": key_id}).fetchone()
    if found is None:
        raise UnknownKey(key_id)
    return found


def revoke(connection: Connection, key_id: str, *, on_log: bool = True) -> bool:
    """Ends a key and notes that for the log; False when there is none to end. `on_log` False: only in this copy."""
    with connection.transaction():
        ended = connection.execute(SQL["revoke"], {"key_id": key_id}).rowcount > 0
        if ended and on_log:
            log_events.note(connection, log_events.key_revoked(key_id))
    return ended


def parse(text: str) -> Token | None:
    """A token in its parts, or None when it has not the form of one."""
    match = _TOKEN.fullmatch(text)
    return Token(match[1], match[2]) if match else None


async def find(connection: AsyncConnection, key_ids: Sequence[str]) -> list[StoredKey]:
    """Those of the keys that exist and were not revoked."""
    async with connection.cursor(row_factory=class_row(StoredKey)) as cursor:
        parameters = {"key_ids": list(key_ids), "lately": log_events.LATELY}
        return await (await cursor.execute(SQL["find"], parameters)).fetchall()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
