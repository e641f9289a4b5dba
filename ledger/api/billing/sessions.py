"""Links to the billing page: made for a customer by the router, opened once by the customer's browser."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from ledger.api.auth import Caller, Needs
from ledger.api.billing.visits import HtmlRoute, LinkOver, cookie_header
from ledger.api.parts import PartsOf
from ledger.api.writes import known_account
from ledger.payments.public_urls import entry_url
from ledger.records import portal_sessions
from schemas.http import NewPortalSession, PortalSession

router = APIRouter()
pages = APIRouter(prefix="/billing", include_in_schema=False, route_class=HtmlRoute)
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@router.post("/v1/portal-sessions", status_code=201, tags=["billing page"])
async def create_portal_session(
    body: NewPortalSession, parts: PartsOf, caller: Annotated[Caller, Depends(Needs("portal:write"))]
) -> PortalSession:
    """A link to an account's billing page: works once, within five minutes. Make one when the customer asks for it."""
    await known_account(parts, caller, body.account_id)
    async with parts.pool.connection() as connection:
        link = await portal_sessions.create(connection, body.account_id, body.page, body.return_url)
    return PortalSession(url=entry_url(parts.settings, link.token), expires_at=link.until)


@pages.get("/enter")
async def enter(link: str, parts: PartsOf) -> Response:
    """Opens the session of a link, and shows its page."""
    async with parts.pool.connection() as connection:
        opened = await portal_sessions.open_(connection, link)
    if opened is None:
        raise LinkOver()
    page = "" if opened.session.page == "overview" else f"/{opened.session.page}"
    return RedirectResponse(
        f"/billing{page}", 303, {**_HEADERS, "Set-Cookie": cookie_header(parts.settings, opened.cookie)}
    )


router.include_router(pages)
