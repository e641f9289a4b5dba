"""Where a link to the billing page leads: it opens the customer's visit, once."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from ledger.portal.visits import HtmlRoute, LinkOver, cookie_header
from ledger.records import portal_sessions
from ledger.web.dependencies import ResourcesOf

router = APIRouter(prefix="/billing", include_in_schema=False, route_class=HtmlRoute)
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@router.get("/enter")
async def enter(link: str, resources: ResourcesOf) -> Response:
    """Opens the session of a link, and shows its page."""
    async with resources.pool.connection() as connection:
        opened = await portal_sessions.open_(connection, link)
    if opened is None:
        raise LinkOver()
    page = "" if opened.session.page == "overview" else f"/{opened.session.page}"
    return RedirectResponse(
        f"/billing{page}", 303, {**_HEADERS, "Set-Cookie": cookie_header(resources.settings, opened.cookie)}
    )
