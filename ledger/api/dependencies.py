"""What the routes of the API need of a request: who asks."""

from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf

_BEARER = HTTPBearer(auto_error=False, description="`lk_<key id>_<secret>`")


async def _caller(
    resources: ResourcesOf, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
) -> Caller:
    return await resources.keys.holder(credentials.credentials if credentials else "")


class Needs:
    """A dependency: the caller, who has this scope."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def __call__(self, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        return caller.may(self._scope)
