"""What the routes of the API need of a request: who asks, and under which Idempotency-Key."""

import hashlib
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ledger.core.scopes import Scope
from ledger.records.idempotency import KEYS_LAST
from ledger.service.caller import Caller
from ledger.service.idempotency import RequestIdentity
from ledger.web.dependencies import ResourcesOf
from schemas.fields import Token

_KEY = f"Kept for {KEYS_LAST.days} days; 409 with another body."
_BEARER = HTTPBearer(auto_error=False, description="`lk_<key id>_<secret>`")


async def _caller(
    resources: ResourcesOf, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
) -> Caller:
    return await resources.keys.of_token(credentials.credentials if credentials else "")


class Needs:
    """A dependency: the caller, who has this scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def __call__(self, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        return caller.may(self._scope)


async def _identity(
    request: Request,
    idempotency_key: Annotated[Token | None, Header(description=_KEY)] = None,
) -> RequestIdentity | None:
    if idempotency_key is None:
        return None
    content = b"\n".join((request.method.encode(), request.url.path.encode(), await request.body()))
    return RequestIdentity(idempotency_key, hashlib.sha256(content).digest())


IdentityOf = Annotated[RequestIdentity | None, Depends(_identity)]
