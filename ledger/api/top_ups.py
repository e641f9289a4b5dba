"""Routes: auto top-up of an account."""

from fastapi import APIRouter, Response

from ledger.api.accounts import AccountPath, Reader, Writer
from ledger.api.answers import written
from ledger.api.dependencies import IdentityOf
from ledger.service import top_ups as service
from ledger.web.dependencies import ResourcesOf
from schemas.http import Pending, TopUps, TopUpSettings

router = APIRouter(prefix="/v1/accounts", tags=["auto top-up"])


@router.get("/{account_id}/auto-top-up")
async def get_auto_top_up(account_id: AccountPath, resources: ResourcesOf, caller: Reader) -> TopUps:
    """The policy, whether a purchase is in flight, capped or suspended and why, and what was bought lately."""
    return await service.get_auto_top_up(resources, caller, account_id)


@router.put("/{account_id}/auto-top-up", response_model=TopUps, responses={202: {"model": Pending}})
async def put_auto_top_up(
    account_id: AccountPath, body: TopUpSettings, resources: ResourcesOf, caller: Writer, identity: IdentityOf
) -> Response:
    """Replace the policy. It is checked at once: a balance below the threshold triggers.

    To enable it needs a payment method that its provider can charge, or an address that it can send a link to.
    """
    return written(await service.put_auto_top_up(resources, caller, account_id, body, identity), 200)
