"""Prices: what models and traces cost, by the version of the book that is in force."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from ledger.portal.shell import shown
from ledger.portal.visits import HtmlRoute, VisitOf
from ledger.reports.price_text import rates_by_unit
from ledger.reports.unit_names import per_name, unit_name
from ledger.service.prices import PriceFilter, page_of_prices, version_in_force
from ledger.web.dependencies import ResourcesOf
from schemas.money import format_attos
from schemas.prices import Price
from schemas.units import UNITS

router = APIRouter(prefix="/billing/prices", include_in_schema=False, route_class=HtmlRoute)

_MODELS = 50
# Units with a column of their own; each of their prices is for a million tokens.
_COLUMNS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


@router.get("")
async def page(
    visit: VisitOf,
    resources: ResourcesOf,
    search: Annotated[str, Query(max_length=128)] = "",
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> Response:
    """Models, markups, traces and what the package includes."""
    version = version_in_force(resources)
    listed, following = page_of_prices(version, PriceFilter(search=search.strip()), cursor, _MODELS)
    fee = version.own_key_fee_attos
    return shown(
        visit.shell,
        "prices",
        at="prices",
        version=version,
        markups={mode: format_attos(markup) for mode, markup in version.markups.items()},
        own_key_fee=format_attos(fee) if fee else None,
        columns=[(unit, unit_name(unit).removesuffix(" tokens").capitalize()) for unit in _COLUMNS],
        models=[(price, rates_by_unit(price), _other_units(price)) for price in listed],
        search=search,
        following=urlencode({"search": search, "cursor": following}) if following else None,
        first=cursor is None,
        included=version.packages.get(visit.shell.account.package),
    )


def _other_units(price: Price) -> list[tuple[str, str, str]]:
    """Units without a column: their ids, names, and how many their price is for."""
    units = [unit for unit in rates_by_unit(price) if unit not in _COLUMNS]
    return [(unit, unit_name(unit).capitalize(), per_name(UNITS[unit].per)) for unit in units]
