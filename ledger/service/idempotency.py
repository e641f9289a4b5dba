"""Idempotency-Keys: one key, one request, one outcome, for as long as a key lasts.

The id of the event that a request makes follows from its key. So even a request whose answer was lost, or that comes
in twice at once, leaves one event on the log.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from ledger.core.errors import LedgerError, restored_error
from ledger.postgres.types import AsyncConnection
from ledger.records import idempotency as records
from ledger.records.idempotency import Outcome, Reserved
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from schemas.identity import derived_id

Value = TypeVar("Value", bound=BaseModel)


class RequestIdentity(NamedTuple):
    """The key and the content of a request. Another request, with another `content_hash`, may not use the same key."""

    key: str
    content_hash: bytes

    def event_id(self, caller: Caller) -> str:
        """The id of the event that this request makes."""
        return derived_id(caller.owner, "request", self.key)

    def purchase_request(self, caller: Caller) -> str:
        """The name of this request in the payment rows, and at the payment providers."""
        return hashlib.sha256(f"{caller.owner}\n{self.key}\n".encode() + self.content_hash).hexdigest()


async def reserve(resources: Resources, caller: Caller, identity: RequestIdentity | None) -> Reserved:
    """Takes the key for this request, or finds how the same request ended before. Raises IdempotencyConflict.

    `identity` None: the caller named no key, and can't repeat the request.
    """
    if identity is None:
        return Reserved(caller.key_id, None)
    async with resources.pool.connection() as connection:
        return await reserve_within(connection, caller, identity)


async def reserve_within(connection: AsyncConnection, caller: Caller, identity: RequestIdentity | None) -> Reserved:
    """`reserve`, in a transaction of the caller's."""
    if identity is None:
        return Reserved(caller.key_id, None)
    return await records.reserve(connection, caller.owner, identity.key, identity.content_hash, caller.key_id)


async def keep(
    resources: Resources, caller: Caller, identity: RequestIdentity | None, result: BaseModel | LedgerError
) -> None:
    """Keeps the final result of a request: its value, or its refusal."""
    if identity is not None:
        async with resources.pool.connection() as connection:
            await keep_within(connection, caller, identity, result)


async def keep_within(
    connection: AsyncConnection, caller: Caller, identity: RequestIdentity | None, result: BaseModel | LedgerError
) -> None:
    """`keep`, in a transaction of the caller's."""
    if identity is not None:
        await records.keep(connection, caller.owner, identity.key, _outcome(result))


def result_of(outcome: Outcome, kind: type[Value]) -> Value:
    """The value that was kept, or raises the refusal that was."""
    if outcome.refused:
        raise restored_error(**outcome.content)
    return kind.model_validate(outcome.content)


async def once(
    resources: Resources,
    caller: Caller,
    identity: RequestIdentity | None,
    kind: type[Value],
    do: Callable[[], Awaitable[Value]],
) -> Value:
    """Calls `do`, unless the same request was done before. Returns its value. What `do` raises is not kept."""
    reserved = await reserve(resources, caller, identity)
    if reserved.outcome is not None:
        return result_of(reserved.outcome, kind)
    value = await do()
    await keep(resources, caller, identity, value)
    return value


def _outcome(result: BaseModel | LedgerError) -> Outcome:
    if isinstance(result, LedgerError):
        content: dict[str, Any] = {"code": result.code, "reason": result.reason, "field": result.field}
        return Outcome(refused=True, content=content)
    return Outcome(refused=False, content=result.model_dump(mode="json"))
