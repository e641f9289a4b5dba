"""Links to the billing page: the router makes one for a customer, whose browser opens it once."""

from ledger.payments.public_urls import entry_url
from ledger.records import portal_sessions
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from ledger.service.writes import existing_account
from schemas.http import NewPortalSession, PortalSession


async def create_portal_session(resources: Resources, caller: Caller, new: NewPortalSession) -> PortalSession:
    """A link to an account's billing page: it works once, within five minutes."""
    await existing_account(resources, caller, new.account_id)
    async with resources.pool.connection() as connection:
        link = await portal_sessions.create(connection, new.account_id, new.page, new.return_url)
    return PortalSession(url=entry_url(resources.settings, link.token), expires_at=link.until)
