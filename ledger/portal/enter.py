"""Where a link to the billing page leads: it opens the customer's visit, once."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from ledger.portal.visits import HtmlRoute, cookie_header
from ledger.service.portal_sessions import open_session
from ledger.web.dependencies import ResourcesOf

router = APIRouter(prefix="/billing", include_in_schema=False, route_class=HtmlRoute)
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@router.get("/enter")
async def enter(link: str, resources: ResourcesOf) -> Response:
    """Opens the session of a link, and shows its page."""
    opened = await open_session(resources, link)
    page = "" if opened.session.page == "overview" else f"/{opened.session.page}"
    cookie = cookie_header(resources.settings, opened.cookie)
    return RedirectResponse(f"/billing{page}", 303, {**_HEADERS, "Set-Cookie": cookie})
