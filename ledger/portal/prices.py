"""Prices: what models and traces cost, by the version of the book that is in force."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from ledger.core.book import Version
from ledger.core.calendar import ms_of
from ledger.portal.shell import shown
from ledger.portal.visits import HtmlRoute, VisitOf
from ledger.reports.charge_explanation import variant_text
from ledger.reports.price_text import ConditionalRate, rates_by_unit
from ledger.reports.unit_names import per_name, unit_name
from ledger.service.prices import PriceFilter, page_of_prices, version_in_force
from ledger.web.dependencies import ResourcesOf
from schemas.money import format_attos
from schemas.prices import Price, Rate
from schemas.units import UNITS

router = APIRouter(prefix="/billing/prices", include_in_schema=False, route_class=HtmlRoute)

_MODELS = 50
# Units with a column of their own; each of their prices is for a million tokens.
_COLUMNS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


class ShownUnit(NamedTuple):
    """The rates of one unit, those after the first with a threshold. `per`: how many of the unit they are for."""

    name: str
    per: str
    rates: list[ConditionalRate]


class ShownModel(NamedTuple):
    """The rates of a model now, by unit, and those under other conditions: `variants`, each with its condition."""

    name: str
    columns: list[ShownUnit | None]
    others: list[ShownUnit]
    variants: list[tuple[str, list[ShownUnit]]]


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
    now_ms, fee = ms_of(datetime.now(UTC)), version.own_key_fee_attos
    return shown(
        visit.shell,
        "prices",
        at="prices",
        version=version,
        markups={mode: format_attos(markup) for mode, markup in version.markups.items()},
        own_key_fee=format_attos(fee) if fee else None,
        columns=[_title(unit) for unit in _COLUMNS],
        models=[_model(version, price, now_ms) for price in listed],
        search=search,
        following=urlencode({"search": search, "cursor": following}) if following else None,
        first=cursor is None,
        included=version.packages.get(visit.shell.account.package),
    )


def _model(version: Version, wire: Price, now_ms: int) -> ShownModel:
    price = version.prices.find(wire.provider, wire.model)
    assert price, "it is listed"
    usual = _units(price.rates_at(now_ms))
    variants = [
        (variant_text(variant), list(_units(variant.rates).values()))
        for variant, holds in zip(wire.variants, price.active({}, now_ms), strict=True)
        if not holds and not (variant.until and ms_of(variant.until) <= now_ms)
    ]
    columns = [usual.pop(unit, None) for unit in _COLUMNS]
    return ShownModel(f"{wire.provider}/{wire.model}", columns, list(usual.values()), variants)


def _units(rates: Mapping[str, str | Rate | None]) -> dict[str, ShownUnit]:
    return {
        unit: ShownUnit(_title(unit), per_name(UNITS[unit].per), found) for unit, found in rates_by_unit(rates).items()
    }


def _title(unit: str) -> str:
    return (unit_name(unit).removesuffix(" tokens") if unit in _COLUMNS else unit_name(unit)).capitalize()
