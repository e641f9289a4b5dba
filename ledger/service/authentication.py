"""Who asks: the API key of a request, checked.

Postgres is not asked for every request: a key that it has just confirmed is trusted for `CACHE_SECONDS`, so a revoked
key may work that much longer. If the log says that a key was revoked, it is refused even if Postgres says that it is
valid, because Postgres may have been restored. While Postgres does not answer, a key that was valid before stays valid
for the grace time of the settings, so that routers can still record usage.
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


class ConfirmedKey(NamedTuple):
    """A key, its caller, and when Postgres last confirmed it, in seconds of the monotonic clock."""

    stored: StoredKey
    caller: Caller
    valid_at: float


class ApiKeys:
    """Authenticates requests. Once a second it asks Postgres which of the keys that it has seen are still valid."""

    def __init__(
        self, pool: AsyncPool, postgres: PostgresHealth[Any], revoked: RevokedKeys, grace_seconds: float
    ) -> None:
        self._pool, self._postgres, self._revoked, self._grace_seconds = pool, postgres, revoked, grace_seconds
        self._confirmed: dict[str, ConfirmedKey] = {}
        self._asking: dict[str, asyncio.Task[ConfirmedKey | None]] = {}

    async def run(self) -> None:
        """Forgets revoked keys, until it is cancelled.

        So the grace time of a key begins with the outage, not with its last use.
        """
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                await self._check()
            except (psycopg.Error, OtherRelease) as error:
                if self._postgres.up:
                    log.warning("keys_not_checked", error=type(error).__name__)

    async def _check(self) -> None:
        if not self._confirmed:
            return
        asked_at, asked = time.monotonic(), list(self._confirmed)
        async with self._pool.connection() as connection:
            valid = {stored.key_id: stored for stored in await find(connection, asked) if self._is_credible(stored)}
        for key_id in asked:
            if key_id in valid:
                self._confirmed[key_id] = _confirmed(valid[key_id], asked_at)
            else:
                self._confirmed.pop(key_id, None)

    async def caller(self, token: Token) -> Caller | None:
        """The caller whose token this is; None when it is not valid.

        Raises psycopg.OperationalError or RevocationsUnknown when this can't be found out.
        """
        if token.key_id in self._revoked:
            return None
        known = self._confirmed_within(token.key_id, CACHE_SECONDS) or await self._look_up(token.key_id)
        return known.caller if known is not None and token.proves(known.stored) else None

    async def of_header(self, header: bytes) -> Caller:
        """The caller of an Authorization header. Raises Unauthorized."""
        scheme, _, credentials = header.decode("latin-1").partition(" ")
        return await self.of_token(credentials if scheme.lower() == "bearer" else "")

    async def of_token(self, credentials: str) -> Caller:
        """The caller of a Bearer token. Raises Unauthorized."""
        token = parse(credentials)
        caller = await self.caller(token) if token else None
        if caller is None:
            raise Unauthorized()
        structlog.contextvars.bind_contextvars(key_id=caller.key_id)
        return caller

    async def _look_up(self, key_id: str) -> ConfirmedKey | None:
        """Asks Postgres once for all requests that wait for the same key. All of them get the answer, or the error."""
        asking = self._asking.get(key_id)
        if asking is None:
            asking = self._asking[key_id] = asyncio.create_task(self._find(key_id))
            asking.add_done_callback(lambda _: self._asking.pop(key_id))
        return await asyncio.shield(asking)

    async def _find(self, key_id: str) -> ConfirmedKey | None:
        asked_at = time.monotonic()
        try:
            async with self._pool.connection() as connection:
                found = await find(connection, [key_id])
        except psycopg.OperationalError:
            kept = self._confirmed_within(key_id, self._grace_seconds)
            # A busy pool is no outage. An old answer is good enough only when Postgres answers no process of ours.
            if kept is None or await self._postgres.answers():
                raise
            return kept
        self._confirmed.pop(key_id, None)  # so that the oldest come first
        if not found:
            return None
        if not self._is_credible(found[0]):
            raise RevocationsUnknown()
        while len(self._confirmed) >= _KEPT_MAX:
            del self._confirmed[next(iter(self._confirmed))]
        known = self._confirmed[key_id] = _confirmed(found[0], asked_at)
        return known

    def _is_credible(self, stored: StoredKey) -> bool:
        """Whether to believe Postgres about a key: it was in use lately, or we know all keys that were revoked."""
        return stored.recent or self._revoked.read_once

    def _confirmed_within(self, key_id: str, seconds: float) -> ConfirmedKey | None:
        """The key, if Postgres confirmed it within the last `seconds`."""
        known = self._confirmed.get(key_id)
        return known if known and time.monotonic() - known.valid_at <= seconds else None


def _confirmed(stored: StoredKey, at: float) -> ConfirmedKey:
    return ConfirmedKey(stored, Caller(stored.key_id, stored.account_id, frozenset(stored.scopes)), at)
