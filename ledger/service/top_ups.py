"""Auto top-up: an account's policy, where its machine is, and what it charged lately."""

from datetime import UTC, datetime

from psycopg.rows import class_row

from ledger.core.calendar import counted_in, day_of, month_of, ms_of
from ledger.core.top_up_attempts import FINAL
from ledger.payments.top_up_policies import check_policy, provider_for
from ledger.postgres.types import AsyncConnection
from ledger.records.top_up_triggers import SQL, Trigger
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.idempotency import RequestIdentity
from ledger.service.resources import Resources
from ledger.service.writes import Write, existing_account, perform
from ledger.views.accounts import account
from schemas.events import AutoTopUpConfigured, TopUpPolicy
from schemas.http import Pending, TopUpCharge, TopUps, TopUpSettings
from schemas.money import format_nanos


async def get_auto_top_up(resources: Resources, caller: Caller, account_id: str) -> TopUps:
    """The policy; whether a purchase is in flight, capped or suspended and why; what was bought lately."""
    caller.reach(account_id)
    return await _top_ups(resources, account_id)


async def put_auto_top_up(
    resources: Resources, caller: Caller, account_id: str, new: TopUpSettings, identity: RequestIdentity | None = None
) -> TopUps | Pending:
    """Replaces the policy. The fold checks it at once: a balance below the threshold triggers.

    To switch it on, the account needs a payment method that its provider can charge, or an address that the provider
    can send a link to. Raises NoPaymentMethod, NoAddressForLinks, and what the fold refuses.
    """
    await existing_account(resources, caller, account_id)
    payments = resources.payments
    provider = provider_for(payments.gateways, new.provider)
    if new.enabled and provider and payments.gateways:
        database, method_id = payments.connections.connection, new.payment_method_id
        await payments.call(
            check_policy, resources.settings, payments.gateways, database, account_id, provider, method_id
        )

    async def value(event_id: str) -> TopUps:
        return await _top_ups(resources, account_id)

    def data(actor_id: str) -> TopUpPolicy:
        return TopUpPolicy(**{**new.model_dump(), "provider": provider}, actor_id=actor_id)

    # Whether an amount can lift the balance to the threshold depends on the balance: only the fold can say.
    write = Write(AutoTopUpConfigured, account_id, data, TopUps, value, check_first=False)
    return await perform(resources, caller, identity, write)


async def recent_triggers(resources: Resources, caller: Caller, account_id: str, limit: int) -> list[Trigger]:
    """What auto top-up triggered last, newest first, each with how its charge went."""
    caller.reach(account_id)
    async with (
        resources.pool.connection() as connection,
        connection.cursor(row_factory=class_row(Trigger)) as cursor,
    ):
        return await (await cursor.execute(SQL["recent"], {"account_id": account_id, "limit": limit})).fetchall()


async def _top_ups(resources: Resources, account_id: str) -> TopUps:
    async with resources.pool.connection() as connection:
        row = await account(connection, account_id)
        charge = await _last_charge(connection, account_id)
    if row is None:
        raise AccountUnknown(account_id, field="account_id")
    now_ms = ms_of(datetime.now(UTC))
    return TopUps(
        account_id=account_id,
        enabled=bool(row.top_up_enabled),
        threshold=_text(row.top_up_threshold),
        amount=_text(row.top_up_amount),
        sizing=row.top_up_sizing,
        cap_day=_text(row.top_up_cap_day),
        cap_month=_text(row.top_up_cap_month),
        provider=row.top_up_provider,
        payment_method_id=row.payment_method_id,
        state=row.state,
        reason=row.reason,
        trigger_id=row.trigger_id,
        charge=charge,
        spent_today=format_nanos(counted_in(day_of(now_ms), row.day, row.day_spent)),
        spent_this_month=format_nanos(counted_in(month_of(now_ms), row.spent_month, row.month_spent)),
        as_of=row.through,
    )


async def _last_charge(connection: AsyncConnection, account_id: str) -> TopUpCharge | None:
    """What became of the last trigger at its provider."""
    async with connection.cursor(row_factory=class_row(Trigger)) as cursor:
        found = await (await cursor.execute(SQL["last"], {"account_id": account_id})).fetchone()
    if found is None:
        return None
    return TopUpCharge(
        trigger_id=found.trigger_id,
        state=found.state,
        attempt=found.attempt,
        failure=found.failure,
        next_at=None if found.state in FINAL else found.due_at,
        pay_url=found.url,
    )


def _text(nanos: int | None) -> str | None:
    return None if nanos is None else format_nanos(nanos)
