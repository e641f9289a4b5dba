"""Routes: the prices that are in force."""

from typing import Annotated

from fastapi import APIRouter, Depends

from ledger.api.dependencies import Needs
from ledger.service.caller import Caller
from ledger.service.prices import prices
from ledger.web.dependencies import ResourcesOf
from schemas.http import Prices

router = APIRouter(prefix="/v1/prices", tags=["prices"])


@router.get("")
async def get_prices(resources: ResourcesOf, caller: Annotated[Caller, Depends(Needs("accounts:read"))]) -> Prices:
    """Markups, prices of models, trace price and packages."""
    return prices(resources)
