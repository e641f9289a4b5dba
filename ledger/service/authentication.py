"""Who is asking: a Bearer key with scopes, and the one account it may be bound to.

A key that was found is trusted for `CACHE_SECONDS`, so that not every request asks Postgres; so long a revoked key
still works. One that the log says was revoked is refused whatever Postgres says, which may have been restored. While
Postgres does not answer, a key that was valid when it did stays so for the grace that the settings give: usage is
accepted without Postgres. An account's key sees no other account: for it, they don't exist.
"""

import asyncio
import time
from typing import Any, NamedTuple

import psycopg
import structlog

from ledger.core.errors import LedgerError
from ledger.postgres.health import PostgresHealth
from ledger.postgres.pools import AsyncPool
from ledger.postgres.release import OtherRelease
from ledger.records.api_keys import StoredKey, Token, find, parse
from ledger.service.caller import Caller
from ledger.service.revoked_keys import RevocationsUnknown, RevokedKeys

CACHE_SECONDS = 2
_CHECK_SECONDS = 1  # below CACHE_SECONDS, so that requests seldom have to ask
_KEPT_MAX = 10_000

log = structlog.get_logger()


class Unauthorized(LedgerError):
    message = "A valid API key is needed as Bearer token"


class Known(NamedTuple):
    """A key, and when Postgres said last that it is valid (monotonic)."""

    stored: StoredKey
    valid_at: float


class Keys:
    """The keys that were seen lately. Postgres is asked once a second which of them are valid still."""

    def __init__(
        self, pool: AsyncPool, postgres: PostgresHealth[Any], revoked: RevokedKeys, grace_seconds: float
    ) -> None:
        self._pool, self._postgres, self._revoked, self._grace_seconds = pool, postgres, revoked, grace_seconds
        self._known: dict[str, Known] = {}
        self._asking: dict[str, asyncio.Task[StoredKey | None]] = {}

    async def run(self) -> None:
        """Forgets those that were revoked, for ever. So a key's grace begins with the outage, not with its last use."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                await self._check()
            except (psycopg.Error, OtherRelease) as error:
                if self._postgres.up:
                    log.warning("keys_not_checked", error=type(error).__name__)

    async def _check(self) -> None:
        if not self._known:
            return
        asked_at, asked = time.monotonic(), list(self._known)
        async with self._pool.connection() as connection:
            valid = {stored.key_id: stored for stored in await find(connection, asked) if self._counts(stored)}
        for key_id in asked:
            if key_id in valid:
                self._known[key_id] = Known(valid[key_id], asked_at)
            else:
                self._known.pop(key_id, None)

    async def caller(self, token: Token) -> Caller | None:
        """Who holds the token; None when nobody does.

        Raises psycopg.OperationalError or RevocationsUnknown when that can't be known.
        """
        if token.key_id in self._revoked:
            return None
        stored = self._seen(token.key_id, CACHE_SECONDS) or await self._looked_up(token.key_id)
        if stored is None or not token.proves(stored):
            return None
        return Caller(stored.key_id, stored.account_id, frozenset(stored.scopes))

    async def bearer(self, header: bytes) -> Caller:
        """Who holds what an Authorization header says. Raises Unauthorized."""
        scheme, _, credentials = header.decode("latin-1").partition(" ")
        return await self.holder(credentials if scheme.lower() == "bearer" else "")

    async def holder(self, credentials: str) -> Caller:
        """Who holds the credentials of a Bearer header. Raises Unauthorized."""
        token = parse(credentials)
        caller = await self.caller(token) if token else None
        if caller is None:
            raise Unauthorized()
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
        asked_at = time.monotonic()
        try:
            async with self._pool.connection() as connection:
                found = await find(connection, [key_id])
        except psycopg.OperationalError:
            kept = self._seen(key_id, self._grace_seconds)
            # A pool that is busy is no outage; only that Postgres answers nobody here lets an old answer do.
            if kept is None or await self._postgres.answers():
                raise
            return kept
        self._known.pop(key_id, None)  # so that the oldest come first
        if not found:
            return None
        if not self._counts(found[0]):
            raise RevocationsUnknown()
        while len(self._known) >= _KEPT_MAX:
            del self._known[next(iter(self._known))]
        self._known[key_id] = Known(found[0], asked_at)
        return found[0]

    def _counts(self, stored: StoredKey) -> bool:
        """Whether what Postgres says of a key can be believed: either it was in use lately, or the log is known."""
        return stored.recent or self._revoked.known

    def _seen(self, key_id: str, seconds: float) -> StoredKey | None:
        """The key, when it was valid at some time in the last so many seconds."""
        known = self._known.get(key_id)
        return known.stored if known and time.monotonic() - known.valid_at <= seconds else None
