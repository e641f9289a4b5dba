"""A link to the billing page of an account of `ledger dev`. It is valid for a day, because it is printed only once."""

import asyncio
from datetime import timedelta

from ledger.payments.public_urls import entry_url
from ledger.postgres.connections import connect_async
from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
from ledger.records import portal_sessions
from ledger.settings import Settings

_LASTS = timedelta(days=1)


def page_link(settings: Settings, account_id: str) -> str:
    """The link. It opens the page once, as every such link."""
    return asyncio.run(_link(settings, account_id))


async def _link(settings: Settings, account_id: str) -> str:
    async with await connect_async(settings.database, COMMAND_AUTOCOMMIT) as connection:
        made = await portal_sessions.create(connection, account_id, "overview", None, _LASTS)
    return entry_url(settings, made.token)
