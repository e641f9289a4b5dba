"""Routes: links to the billing page."""

from typing import Annotated

from fastapi import APIRouter, Depends

from ledger.api.dependencies import Needs
from ledger.service import portal_sessions as service
from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf
from schemas.http import NewPortalSession, PortalSession

router = APIRouter(prefix="/v1/portal-sessions", tags=["billing page"])


@router.post("", status_code=201)
async def create_portal_session(
    body: NewPortalSession, resources: ResourcesOf, caller: Annotated[Caller, Depends(Needs("portal:write"))]
) -> PortalSession:
    """A link to an account's billing page: works once, within five minutes. Make one when the customer asks for it."""
    return await service.create_portal_session(resources, caller, body)
