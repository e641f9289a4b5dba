"""Prices: what models and traces cost, by the version of the book that is in force."""

from fastapi import APIRouter
from starlette.responses import Response

from ledger.portal.shell import shown
from ledger.portal.visits import HtmlRoute, VisitOf
from ledger.reports.price_text import rate_texts
from ledger.service.prices import version_in_force
from ledger.web.dependencies import ResourcesOf
from schemas.money import format_attos

router = APIRouter(prefix="/billing/prices", include_in_schema=False, route_class=HtmlRoute)


@router.get("")
async def page(visit: VisitOf, resources: ResourcesOf) -> Response:
    """Models, markups, traces and what the package includes."""
    version = version_in_force(resources)
    return shown(
        visit.shell,
        "prices",
        at="prices",
        version=version,
        markups={mode: format_attos(markup) for mode, markup in version.markups.items()},
        models=[(price.wire, rate_texts(price.wire)) for price in version.prices.prices],
        included=version.packages.get(visit.shell.account.package),
    )
