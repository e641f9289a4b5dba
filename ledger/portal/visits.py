"""Visits to the billing page: which customer it is, whether a form came from our own page, and errors as pages.

The cookie alone identifies the customer. A form must carry a token that only our pages contain, and the browser must
name us as its origin. Both are checked, since each of the two has failed on some site.
"""

import hmac
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from ledger.core.errors import LedgerError
from ledger.core.scopes import CUSTOMER_SCOPES
from ledger.payments.public_urls import public_url
from ledger.portal.display import Display, locale_of
from ledger.portal.messages import error_text
from ledger.portal.shell import Shell, closed
from ledger.records import profiles
from ledger.records.portal_sessions import PortalSession
from ledger.service.caller import Caller
from ledger.service.portal_sessions import LinkOver, VisitOver, visitor
from ledger.service.resources import Resources
from ledger.settings import Settings
from ledger.web.dependencies import ResourcesOf
from ledger.web.errors import api_error_for

COOKIE = "__Host-ledger_billing"


class FormForged(LedgerError):
    message = "This form can't be used any more. Go back, load the page again, and send it from there"


_CLOSED: dict[type[LedgerError], tuple[int, str]] = {
    LinkOver: (410, "This link is over"),
    VisitOver: (401, "Your visit is over"),
    FormForged: (403, "Please try again"),
}


class Visit(NamedTuple):
    """A customer at the page. `embedded`: the page is shown in a frame of another one."""

    session: PortalSession
    profile: profiles.Profile
    shell: Shell
    embedded: bool

    @property
    def account_id(self) -> str:
        """The one account that this customer may see."""
        return self.session.account_id

    @property
    def caller(self) -> Caller:
        """The customer as the use cases know callers."""
        return Caller(f"portal:{self.session.session_id}", self.account_id, CUSTOMER_SCOPES)


class HtmlRoute(APIRoute):
    """A route that shows errors as pages for customers. Caches don't store its answers unless an answer allows it.

    Only the cookie tells customers apart, and caches ignore it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                answer = await handle(request)
            except Exception as error:
                answer = _error_page(request, error)
            answer.headers.setdefault("Cache-Control", "private, no-store")
            return answer

        return handled


def cookie_header(settings: Settings, cookie: str) -> str:
    """The cookie of a visit. The browser keeps it until it is closed; in a frame, only for the surrounding site."""
    site = "SameSite=None; Partitioned" if settings.embed_origins else "SameSite=Lax"
    return f"{COOKIE}={cookie}; Path=/; Secure; HttpOnly; {site}"


async def _visit(request: Request, resources: ResourcesOf) -> Visit:
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        raise VisitOver()
    session, account, profile = await visitor(resources, cookie)
    locale = locale_of(profile.locale, request.headers.get("accept-language", ""))
    display = Display(locale, profile.time_zone or "UTC")
    shell = Shell(resources.settings, display, account, csrf_of(cookie), session.return_url)
    embedded = request.headers.get("sec-fetch-dest") == "iframe"
    return Visit(session, profile, shell, embedded)


VisitOf = Annotated[Visit, Depends(_visit)]


async def _form(request: Request, visit: VisitOf) -> dict[str, str]:
    if not _from_here(request, visit.shell.settings):
        raise FormForged()
    form = {name: text.strip() for name, text in (await request.form()).items() if isinstance(text, str)}
    if not hmac.compare_digest(form.pop("csrf", "").encode(), visit.shell.csrf.encode()):
        raise FormForged()
    return form


FormOf = Annotated[dict[str, str], Depends(_form)]


def csrf_of(cookie: str) -> str:
    """The token of a session's forms. It follows from the cookie; the cookie can't be computed from it."""
    return hmac.digest(cookie.encode(), b"csrf", "sha256").hex()


def _from_here(request: Request, settings: Settings) -> bool:
    """Whether a POST comes from our own page: browsers name the origin of each POST."""
    origin = request.headers.get("origin", "")
    ours = urlsplit(public_url(settings))
    return origin == f"{ours.scheme}://{ours.netloc}" or urlsplit(origin).netloc == request.headers.get("host")


def _error_page(request: Request, error: Exception) -> Response:
    resources: Resources = request.app.state.resources
    if isinstance(error, VisitOver) and request.headers.get("hx-request"):
        return Response(headers={"HX-Redirect": "/billing"})
    if isinstance(error, tuple(_CLOSED)):
        assert isinstance(error, LedgerError)
        status, title = _CLOSED[type(error)]
        return closed(resources.settings, status, title, f"{error}.")
    if isinstance(error, RequestValidationError):
        return closed(resources.settings, 422, "This address can't be read", "Go back to where you came from.")
    known = api_error_for(error)
    if known is None:
        raise error
    said = error_text(error) if isinstance(error, LedgerError) else "Please load this page again in a moment."
    title = "This takes a moment" if known.status_code == 503 else "This can't be shown"
    return closed(resources.settings, known.status_code, title, said)


def see(path: str) -> Response:
    """Redirects to another page, as a GET that may be repeated."""
    return RedirectResponse(f"/billing{path}", 303)
