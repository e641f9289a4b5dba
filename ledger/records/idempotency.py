"""Idempotency keys: while a key lasts, the same request ends the same way, and another one is refused."""

from datetime import timedelta
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from ledger.core.errors import LedgerError
from ledger.postgres.types import AsyncConnection, Connection
from ledger.sql import statements

SQL = statements("ledger.records", "idempotency.sql")
# How long a key is kept. An ended hold is kept as long, because its id follows from a key.
KEYS_LAST = timedelta(days=7)
_OPERATOR = "operator"


class IdempotencyConflict(LedgerError):
    message = "This Idempotency-Key was used for another request"


class Outcome(NamedTuple):
    """How a request ended: with a value, or refused. `content`: the value, or the refusal's code, reason and field."""

    refused: bool
    content: dict[str, Any]


class Reserved(NamedTuple):
    """Who asked first under this key, and how the request ended when it has."""

    actor_id: str
    outcome: Outcome | None


def owner_of(account_id: str) -> str:
    """The owner of the keys that an account's callers use. `account_id` "": the operators.

    An account may be called like the operators' owner. A character that no account id has keeps their keys apart.
    """
    return f":{account_id}" if account_id == _OPERATOR else account_id or _OPERATOR


async def reserve(connection: AsyncConnection, owner: str, key: str, request_hash: bytes, actor_id: str) -> Reserved:
    """Takes the key for a request, or finds how the same request ended before. Raises IdempotencyConflict."""
    asked = {"owner": owner, "key": key, "request_hash": request_hash, "actor_id": actor_id}
    parameters = {**asked, "lasts": KEYS_LAST}
    row = await (await connection.execute(SQL["reserve"], parameters)).fetchone()
    assert row, "the statement inserts or updates one row"
    stored_hash, was_refused, content = row
    if stored_hash != request_hash:
        raise IdempotencyConflict(field="Idempotency-Key")
    if was_refused is None:
        return Reserved(content["actor_id"], None)
    return Reserved(actor_id, Outcome(was_refused, content))


async def keep(connection: AsyncConnection, owner: str, key: str, outcome: Outcome) -> None:
    """Keeps how the request ended."""
    parameters = {"owner": owner, "key": key, "refused": outcome.refused, "content": Jsonb(outcome.content)}
    await connection.execute(SQL["keep"], parameters)


def forget_keys(connection: Connection) -> int:
    """Drops keys that are older than KEYS_LAST; returns how many."""
    return connection.execute(SQL["forget"], {"lasts": KEYS_LAST}).rowcount
