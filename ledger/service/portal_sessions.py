"""Links to the billing page, and visits: the router makes a link for a customer, whose browser opens it once."""

from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.payments.public_urls import entry_url
from ledger.records import portal_sessions, profiles
from ledger.records.portal_sessions import OpenedSession
from ledger.records.portal_sessions import PortalSession as StoredSession
from ledger.records.profiles import Profile
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from ledger.service.writes import existing_account
from ledger.views.accounts import AccountRow, account
from schemas.http import NewPortalSession, PortalSession


class LinkOver(LedgerError):
    message = "This link was used, or is too old. Open the billing page again from where you came from"


class VisitOver(LedgerError):
    message = "Your visit is over. Open the billing page again from where you came from"


class Visitor(NamedTuple):
    """The customer of a visit: the session, the account as it is now, and the profile."""

    session: StoredSession
    account: AccountRow
    profile: Profile


async def create_portal_session(resources: Resources, caller: Caller, new: NewPortalSession) -> PortalSession:
    """A link to an account's billing page: it works once, within five minutes."""
    await existing_account(resources, caller, new.account_id)
    async with resources.pool.connection() as connection:
        link = await portal_sessions.create(connection, new.account_id, new.page, new.return_url)
    return PortalSession(url=entry_url(resources.settings, link.token), expires_at=link.until)


async def open_session(resources: Resources, token: str) -> OpenedSession:
    """Uses up the link with this token, and begins a visit. Raises LinkOver."""
    async with resources.pool.connection() as connection:
        opened = await portal_sessions.open_(connection, token)
    if opened is None:
        raise LinkOver()
    return opened


async def visitor(resources: Resources, cookie: str) -> Visitor:
    """The customer with this cookie. Raises VisitOver, also while a rebuild has not reached the account yet."""
    async with resources.pool.connection() as connection:
        session = await portal_sessions.find(connection, cookie)
        if session is None:
            raise VisitOver()
        found = await account(connection, session.account_id)
        profile = await profiles.profile(connection, session.account_id)
    if found is None:
        raise VisitOver()
    return Visitor(session, found, profile)


async def close_session(resources: Resources, session_id: str) -> None:
    """Ends a visit."""
    async with resources.pool.connection() as connection:
        await portal_sessions.close(connection, session_id)
