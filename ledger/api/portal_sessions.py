"""Links to the billing page: the router makes one for a customer, whose browser opens it once."""

from typing import Annotated

from fastapi import APIRouter, Depends

from ledger.api.dependencies import Needs
from ledger.api.writes import known_account
from ledger.payments.public_urls import entry_url
from ledger.records import portal_sessions
from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf
from schemas.http import NewPortalSession, PortalSession

router = APIRouter(tags=["billing page"])


@router.post("/v1/portal-sessions", status_code=201)
async def create_portal_session(
    body: NewPortalSession, resources: ResourcesOf, caller: Annotated[Caller, Depends(Needs("portal:write"))]
) -> PortalSession:
    """A link to an account's billing page: works once, within five minutes. Make one when the customer asks for it."""
    await known_account(resources, caller, body.account_id)
    async with resources.pool.connection() as connection:
        link = await portal_sessions.create(connection, body.account_id, body.page, body.return_url)
    return PortalSession(url=entry_url(resources.settings, link.token), expires_at=link.until)
