"""Usage summed up for the billing page and for reports."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from ledger.api.accounts import AccountPath, Reader
from ledger.core.errors import LedgerError
from ledger.service.caller import AccountUnknown
from ledger.views.accounts import balance
from ledger.views.usage import Group, usage_summary
from ledger.web.dependencies import ResourcesOf
from schemas.http import Page, UsageGroup
from schemas.money import format_nanos

router = APIRouter(prefix="/v1/accounts", tags=["transactions"])
By = Literal["day", "model", "api_key"]
# Before it there is no usage, and less than 30 days before the first of all days there is no day.
Day = Annotated[date, Field(ge=date(1970, 1, 1))]
_DAYS_MAX = 366


class RangeTooLong(LedgerError):
    message = "A summary covers 366 days at most, and `from` comes before `to`"


@router.get("/{account_id}/usage-summary")
async def summarize_usage(
    account_id: AccountPath,
    resources: ResourcesOf,
    caller: Reader,
    from_: Annotated[
        Day | None, Query(alias="from", description="First UTC day; 30 days before `to` if absent.")
    ] = None,
    to: Annotated[Day | None, Query(description="The UTC day after the last; tomorrow if absent.")] = None,
    group_by: Annotated[list[By] | None, Query(description="Any of day, model, api_key; all if absent.")] = None,
) -> Page[UsageGroup]:
    """Requests, tokens, cost and charge by UTC day of the log, model and API key; newest first."""
    caller.reach(account_id)
    until = to or datetime.now(UTC).date() + timedelta(days=1)
    since = from_ or until - timedelta(days=30)
    if not 0 < (until - since).days <= _DAYS_MAX:
        raise RangeTooLong(field="from")
    by = frozenset[str](group_by or ("day", "model", "api_key"))
    async with resources.pool.connection() as connection:
        if await balance(connection, account_id) is None:
            raise AccountUnknown(account_id, field="account_id")
        groups = await usage_summary(connection, account_id, since, until, by)
    return Page(data=[_answer(group) for group in groups])


def _answer(group: Group) -> UsageGroup:
    amounts = {"cost": group.cost, "markup": group.charge - group.cost, "charge": group.charge}
    return UsageGroup(**group._asdict() | {name: format_nanos(nanos) for name, nanos in amounts.items()})
