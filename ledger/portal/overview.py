"""The overview, the balance that every page keeps up to date, the badge, and the brand's own files."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import FileResponse, Response

from ledger.core.spending import days_left
from ledger.portal.colors import brand_css
from ledger.portal.messages import standing_text
from ledger.portal.shell import closed, shown
from ledger.portal.visits import FormOf, HtmlRoute, Visit, VisitOf
from ledger.service.accounts import get_account
from ledger.service.history import recent_lines, usage_groups
from ledger.service.portal_sessions import close_session
from ledger.service.transactions import transaction_fields
from ledger.views.usage import Group
from ledger.web.dependencies import ResourcesOf
from ledger.web.errors import ApiError

_RECENT = 5
PACE_DAYS = 7

router = APIRouter(prefix="/billing", include_in_schema=False, route_class=HtmlRoute)


@router.get("")
async def overview(visit: VisitOf, resources: ResourcesOf) -> Response:
    """Balance, auto top-up, traces, and what happened lately."""
    today = datetime.now(UTC).date()
    known = await get_account(resources, visit.caller, visit.account_id)
    lines = await recent_lines(resources, visit.caller, visit.account_id, _RECENT)
    since, until = today - timedelta(days=PACE_DAYS - 1), today + timedelta(days=1)
    groups = await usage_groups(resources, visit.caller, visit.account_id, since, until, {"day"})
    row = visit.shell.account
    return shown(
        visit.shell,
        "overview",
        at="overview",
        traces=known.traces,
        package=known.package.name,
        standing=standing_text(enabled=bool(row.top_up_enabled), state=row.state, reason=row.reason),
        days=lasts(visit, groups, today),
        lines=[(line, transaction_fields(line)) for line in lines],
    )


@router.get("/live")
async def live(visit: VisitOf, seen: Annotated[str, Query(max_length=80)] = "", at: str = "") -> Response:
    """The present balance. An empty answer (204) while the page shows it already."""
    if seen == visit.shell.seen:
        return Response(status_code=204)
    answer = shown(visit.shell, "live", at=at)
    answer.headers["HX-Trigger"] = "balance"  # parts of the page that depend on the balance load themselves again
    return answer


@router.get("/badge")
async def badge(visit: VisitOf) -> Response:
    """The balance alone, for a small frame on the router's own dashboard."""
    return shown(visit.shell, "badge")


@router.post("/leave")
async def leave(visit: VisitOf, form: FormOf, resources: ResourcesOf) -> Response:
    """Ends the visit."""
    await close_session(resources, visit.session.session_id)
    return closed(resources.settings, 200, "You have left the billing page", "You may close this window.")


@router.get("/brand.css")
async def brand(resources: ResourcesOf) -> Response:
    """The brand's color, for light and dark."""
    return Response(
        brand_css(resources.settings.brand_color), media_type="text/css", headers={"Cache-Control": "max-age=300"}
    )


@router.get("/logo")
async def logo(resources: ResourcesOf) -> Response:
    """The brand's logo. The headers forbid scripts in it, in case somebody opens the file by itself."""
    path = Path(resources.settings.brand_logo or "nowhere")
    kind = {".svg": "image/svg+xml", ".png": "image/png"}.get(path.suffix.lower())
    if kind is None or not path.is_file():
        raise ApiError(404, "not_found", "There is no logo.")
    headers = {
        "Cache-Control": "max-age=300",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return FileResponse(path, media_type=kind, headers=headers)


def lasts(visit: Visit, groups: Sequence[Group], today: date) -> int | None:
    """For how many days the credits last at the pace of the last seven days, or of the days since usage began.

    None without usage. `groups`: usage by day, of at least seven days.
    """
    since = today - timedelta(days=PACE_DAYS - 1)
    recent = [(group.day, group.charge) for group in groups if group.day and group.day >= since]
    first = min((day for day, _ in recent), default=today)
    return days_left(visit.shell.available, sum(charge for _, charge in recent), (today - first).days + 1)
