"""The header Idempotency-Key: one key, one request, one answer, for seven days.

The event's id follows from the key, so that even an answer that was lost, or a request that comes in twice at once,
leaves one event on the log.
"""

import hashlib
import uuid
from typing import Annotated, NamedTuple

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse, Response

from ledger.postgres.pools import AsyncPool
from ledger.postgres.types import AsyncConnection
from ledger.records.idempotency import Answer, Reserved, note_answer, reserve
from ledger.service.caller import Caller
from ledger.web.errors import ApiError, error_response
from schemas.fields import Token
from schemas.identity import derived_id


class Asked(NamedTuple):
    """A request that is to be done once. `key` None: the caller named none, and can't repeat it."""

    key: str | None
    request_hash: bytes
    request_id: str

    def event_id(self, caller: Caller) -> str:
        """The id of the event that this request makes."""
        return derived_id(caller.owner, "request", self.key) if self.key else str(uuid.uuid4())

    async def reserve(self, pool: AsyncPool, caller: Caller) -> Reserved:
        """Who asked first, and what was answered. Raises IdempotencyConflict when another request took the key."""
        if self.key is None:
            return Reserved(caller.key_id, None)
        async with pool.connection() as connection:
            return await self.reserved(connection, caller)

    async def reserved(self, connection: AsyncConnection, caller: Caller) -> Reserved:
        """The same in the caller's transaction."""
        if self.key is None:
            return Reserved(caller.key_id, None)
        return await reserve(connection, caller.owner, self.key, self.request_hash, caller.key_id)

    def response(self, answer: Answer) -> Response:
        """An answer over HTTP; an error with the id of this request."""
        if answer.status < 400:
            return JSONResponse(answer.body, answer.status)
        return error_response(self.request_id, ApiError(answer.status, **answer.body))

    async def keep(self, pool: AsyncPool, caller: Caller, answer: Answer) -> Response:
        """Keeps an answer for later, and is it."""
        if self.key is None:
            return self.response(answer)
        async with pool.connection() as connection:
            return await self.kept(connection, caller, answer)

    async def kept(self, connection: AsyncConnection, caller: Caller, answer: Answer) -> Response:
        """The same in the caller's transaction."""
        if self.key is not None:
            await note_answer(connection, caller.owner, self.key, answer)
        return self.response(answer)


def refused(status: int, code: str, message: str, param: str | None) -> Answer:
    """A final refusal as an answer that can be kept."""
    return Answer(status, {"code": code, "message": message, "param": param})


async def _asked(
    request: Request,
    idempotency_key: Annotated[Token | None, Header(description="Kept for 7 days; 409 with another body.")] = None,
) -> Asked:
    body = await request.body()
    told = b"\n".join((request.method.encode(), request.url.path.encode(), body))
    return Asked(idempotency_key, hashlib.sha256(told).digest(), request.state.request_id)


Once = Annotated[Asked, Depends(_asked)]
