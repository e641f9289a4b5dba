"""Who is asking: a Bearer key with scopes, and the one account it may be bound to.

A key that was found is trusted for `CACHE_SECONDS`, so that not every request asks Postgres; so long a revoked key
still works. One that the log says was revoked is refused whatever Postgres says, which may have been restored. An
account's key sees no other account: for it, they don't exist.
"""

import asyncio
import time
from typing import Annotated, NamedTuple

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ledger.api.database import Pool
from ledger.api.errors import AccountUnknown, ApiError
from ledger.api.revoked import RevocationsUnknown, RevokedKeys
from ledger.records.api_keys import StoredKey, Token, find, parse
from ledger.records.idempotency import owner_of

CACHE_SECONDS = 2
_CACHED_MAX = 10_000
_BEARER = HTTPBearer(auto_error=False, description="`lk_<key id>_<secret>`")
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Caller(NamedTuple):
    """Whose key it is. `account_id` "": an operator's."""

    key_id: str
    account_id: str
    scopes: frozenset[str]

    @property
    def owner(self) -> str:
        """Whose idempotency keys these are: they outlive the rotation of an API key."""
        return owner_of(self.account_id)

    def may(self, scope: str) -> "Caller":
        """This caller, who has the scope. Raises the 403."""
        if scope not in self.scopes:
            raise ApiError(403, "scope_missing", f"This key lacks the scope {scope}.")
        return self

    def reach(self, account_id: str, field: str = "account_id") -> None:
        """Raises AccountUnknown for an account that is not this caller's to see."""
        if self.account_id not in ("", account_id):
            raise AccountUnknown(account_id, field=field)


class Keys:
    """The keys that were seen lately."""

    def __init__(self, pool: Pool, revoked: RevokedKeys) -> None:
        self._pool, self._revoked = pool, revoked
        self._found: dict[str, tuple[float, StoredKey]] = {}
        self._asking: dict[str, asyncio.Task[StoredKey | None]] = {}

    async def caller(self, token: Token) -> Caller | None:
        """Who holds the token; None when nobody does. Raises RevocationsUnknown."""
        if token.key_id in self._revoked:
            return None
        stored = self._cached(token.key_id) or await self._looked_up(token.key_id)
        if stored is None or not token.proves(stored):
            return None
        return Caller(stored.key_id, stored.account_id, frozenset(stored.scopes))

    async def bearer(self, header: bytes) -> Caller:
        """Who holds what an Authorization header says. Raises the 401."""
        scheme, _, credentials = header.decode("latin-1").partition(" ")
        return await self.holder(credentials if scheme.lower() == "bearer" else "")

    async def holder(self, credentials: str) -> Caller:
        """Who holds the credentials of a Bearer header. Raises the 401."""
        token = parse(credentials)
        caller = await self.caller(token) if token else None
        if caller is None:
            raise ApiError(401, "unauthorized", "A valid API key is needed as Bearer token.", headers=_CHALLENGE)
        structlog.contextvars.bind_contextvars(key_id=caller.key_id)
        return caller

    async def _looked_up(self, key_id: str) -> StoredKey | None:
        """Postgres is asked once for all who wait: each of them is told what it says, and that it doesn't answer."""
        asking = self._asking.get(key_id)
        if asking is None:
            asking = self._asking[key_id] = asyncio.create_task(self._find(key_id))
            asking.add_done_callback(lambda _: self._asking.pop(key_id))
        return await asyncio.shield(asking)

    async def _find(self, key_id: str) -> StoredKey | None:
        async with self._pool.connection() as connection:
            stored = await find(connection, key_id)
        if stored is not None and not (stored.recent or self._revoked.known):
            raise RevocationsUnknown()
        if stored is not None:
            self._keep(stored)
        return stored

    def _cached(self, key_id: str) -> StoredKey | None:
        until, stored = self._found.get(key_id, (0.0, None))
        return stored if until > time.monotonic() else None

    def _keep(self, stored: StoredKey) -> None:
        if len(self._found) >= _CACHED_MAX:
            self._found.clear()
        self._found[stored.key_id] = time.monotonic() + CACHE_SECONDS, stored


async def _caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
) -> Caller:
    keys: Keys = request.app.state.parts.keys
    return await keys.holder(credentials.credentials if credentials else "")


class Needs:
    """A dependency: the caller, who has this scope."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def __call__(self, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        return caller.may(self._scope)
