"""Routes: the prices that are in force."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ledger.api.dependencies import Needs
from ledger.api.parameters import Cursor, Limit
from ledger.service.caller import Caller
from ledger.service.prices import PriceFilter, prices
from ledger.web.dependencies import ResourcesOf
from schemas.fields import Token
from schemas.http import Prices

router = APIRouter(prefix="/v1/prices", tags=["prices"])


@router.get("")
async def get_prices(
    resources: ResourcesOf,
    caller: Annotated[Caller, Depends(Needs("accounts:read"))],
    provider: Annotated[Token | None, Query(description="Only this provider's.")] = None,
    model: Annotated[Token | None, Query(description="Only what usage of this model is charged by.")] = None,
    search: Annotated[
        str | None, Query(max_length=128, description="A part of the provider's or model's name.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Prices:
    """Markups, prices of models, trace price and packages."""
    return prices(resources, PriceFilter(provider, model, search), cursor, limit)
