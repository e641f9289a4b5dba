"""Idempotency keys: the same request under the same key has the same answer for seven days; another one is refused."""

from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from ledger.core.errors import LedgerError
from ledger.postgres.types import AsyncConnection
from ledger.sql import statements

SQL = statements("ledger.records", "idempotency.sql")
_OPERATOR = "operator"


class IdempotencyConflict(LedgerError):
    message = "This Idempotency-Key was used for another request"


class Answer(NamedTuple):
    """What was answered before."""

    status: int
    body: Any


class Reserved(NamedTuple):
    """Who asked first under this key, and the answer when it has been given."""

    actor_id: str
    answer: Answer | None


def owner_of(account_id: str) -> str:
    """Whose keys those of an account's callers are; of operators' with "".

    An account may have the operators' name. Its keys are told apart by a character that no account id has.
    """
    return f":{account_id}" if account_id == _OPERATOR else account_id or _OPERATOR


async def reserve(connection: AsyncConnection, owner: str, key: str, request_hash: bytes, actor_id: str) -> Reserved:
    """Takes the key for a request, or says what became of it. Raises IdempotencyConflict."""
    parameters = {"owner": owner, "key": key, "request_hash": request_hash, "actor_id": actor_id}
    row = await (await connection.execute(SQL["reserve"], parameters)).fetchone()
    assert row, "the statement inserts or updates one row"
    stored_hash, status, body = row
    if stored_hash != request_hash:
        raise IdempotencyConflict(field="Idempotency-Key")
    if status is None:
        return Reserved(body["actor_id"], None)
    return Reserved(actor_id, Answer(status, body))


async def note_answer(connection: AsyncConnection, owner: str, key: str, answer: Answer) -> None:
    """Keeps what was answered."""
    parameters = {"owner": owner, "key": key, "status": answer.status, "answer": Jsonb(answer.body)}
    await connection.execute(SQL["answer"], parameters)


async def forget_old(connection: AsyncConnection) -> int:
    """Drops what is older than seven days; returns how many."""
    return (await connection.execute(SQL["forget"])).rowcount
