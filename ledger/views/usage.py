"""Usage and traces summed by day, model and API key."""

from datetime import date
from typing import NamedTuple

from ledger.postgres.types import AsyncConnection
from ledger.views.queries import fetch_all


class Group(NamedTuple):
    """One sum, amounts in nanos; what was not grouped by is None. Traces have no provider, model or key: ''."""

    day: date | None
    provider: str | None
    model: str | None
    api_key_id: str | None
    requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    traces: int
    free_traces: int
    cost: int
    charge: int


async def usage_summary(
    connection: AsyncConnection, account_id: str, since: date, until: date, by: frozenset[str]
) -> list[Group]:
    """Usage from `since` up to, not including, `until`, newest first; `by`: any of day, model, api_key."""
    parameters = {
        "account_id": account_id,
        "since": since,
        "until": until,
        "by_day": "day" in by,
        "by_model": "model" in by,
        "by_api_key": "api_key" in by,
    }
    return await fetch_all(connection, Group, "usage_summary", parameters)
