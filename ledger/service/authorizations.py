"""Authorizations: may this request run? Granted with a hold, which is then looked up, extended or released."""

from typing import NamedTuple
from uuid import UUID

from ledger.core.book import Version
from ledger.core.errors import LedgerError
from ledger.gate import holds
from ledger.gate.hold_requests import expiry, extension_amount, new_hold
from ledger.gate.holds import Funds, Hold, HoldClosed, HoldUnknown, NewHold
from ledger.service.caller import Caller
from ledger.service.idempotency import RequestIdentity, keep_within, reserve_within, result_of
from ledger.service.resources import Resources
from schemas.http import Authorization, AuthorizationState, Extension, NewAuthorization
from schemas.identity import derived_id, time_ordered_id
from schemas.money import format_nanos


class NotEnoughCredits(LedgerError):
    """What there is and what it takes, in nanos.

    `affordable_tokens`: the output tokens that there are credits for, of a request that named a model and how many
    tokens it wants; else None.
    """

    message = "The account has fewer credits than the request may cost"

    def __init__(self, funds: Funds, required: int, affordable_tokens: int | None = None) -> None:
        super().__init__()
        self.available, self.required = funds.available, required
        self.top_up_in_flight = funds.top_up_state == "in_flight"
        self.affordable_tokens = affordable_tokens


class Granted(NamedTuple):
    """An authorization and its hold. `repeated`: it was granted before, to the same request."""

    authorization: Authorization
    hold: NewHold
    repeated: bool


async def authorize(
    resources: Resources, caller: Caller, new: NewAuthorization, identity: RequestIdentity | None = None
) -> Granted:
    """Holds what the request may cost. The same request again finds its hold.

    Raises NotEnoughCredits, Unpriced, TtlTooLong, HoldConflict, ProjectionBehind, GateUnavailable,
    BookEmpty.
    """
    caller.reach(new.account_id)
    version = resources.version_now()
    wanted = _new_hold(resources, version, caller, new, identity)
    decision = await resources.gate.decide(wanted)
    if decision.hold is None:
        resources.requests.note(decision.funds)
        tokens = wanted.affordable(decision.funds.available) if wanted.affordable else None
        raise NotEnoughCredits(decision.funds, wanted.ask.least, tokens)
    return Granted(_authorization(decision.hold, decision.funds), wanted, decision.repeated)


async def get_authorization(resources: Resources, caller: Caller, hold_id: UUID) -> AuthorizationState:
    """An authorization as it is now. Raises HoldUnknown."""
    hold = await _find(resources, caller, hold_id)
    return AuthorizationState(
        id=hold.hold_id,
        account_id=hold.account_id,
        amount=format_nanos(hold.amount),
        max_output_tokens=hold.max_output_tokens,
        expires_at=hold.expires_at,
        state=hold.state,
    )


async def release(resources: Resources, caller: Caller, hold_id: UUID) -> None:
    """Gives back what is held, when no usage will come; again is harmless. Raises HoldUnknown, HoldClosed."""
    hold = await _find(resources, caller, hold_id)
    async with resources.pool.connection() as connection:
        ended = await holds.close(connection, [(hold.hold_id, hold.account_id)], "released")
    if not ended:
        state = (await _find(resources, caller, hold_id)).state
        if state != "released":
            raise HoldClosed(state)


async def extend(
    resources: Resources, caller: Caller, hold_id: UUID, more: Extension, identity: RequestIdentity | None = None
) -> Authorization:
    """Holds more for a request under way, or only longer; the same request again extends it once.

    Raises NotEnoughCredits, HoldUnknown, HoldClosed, NotPriced, TtlTooLong, ProjectionBehind.
    """
    hold = await _find(resources, caller, hold_id)
    until = expiry(more.ttl, resources.settings)
    amount = extension_amount(hold, more, resources.version_now())
    tokens = 0 if more.renews_only else more.output_tokens
    stale_seconds = resources.settings.gate_stale_seconds
    # In one transaction with the request's outcome, so that a repeated request extends once, however the first ended.
    async with resources.pool.connection() as connection, connection.transaction():
        reserved = await reserve_within(connection, caller, identity)
        if reserved.outcome is not None:
            return result_of(reserved.outcome, Authorization)
        extended = await holds.extend(connection, hold, amount, tokens, until, stale_seconds)
        if extended.hold is not None:
            granted = _authorization(extended.hold, extended.funds)
            await keep_within(connection, caller, identity, granted)
            return granted
    resources.requests.note(extended.funds)
    raise NotEnoughCredits(extended.funds, amount)


def _new_hold(
    resources: Resources, version: Version, caller: Caller, new: NewAuthorization, identity: RequestIdentity | None
) -> NewHold:
    """The hold; its id follows from the Idempotency-Key, so that a repeated request finds it."""
    if identity is None:
        return new_hold(new, time_ordered_id(), version, resources.settings)
    hold_id = derived_id(caller.owner, "authorization", identity.key)
    hold = new_hold(new, hold_id, version, resources.settings)
    return hold._replace(request_hash=identity.content_hash.hex())


async def _find(resources: Resources, caller: Caller, hold_id: UUID) -> Hold:
    """The hold, which the caller may see. Raises HoldUnknown."""
    async with resources.pool.connection() as connection:
        found = (await holds.find(connection, [str(hold_id)])).get(str(hold_id))
    if found is None or caller.account_id not in ("", found.account_id):
        raise HoldUnknown(str(hold_id))
    return found


def _authorization(hold: Hold, funds: Funds) -> Authorization:
    return Authorization(
        id=hold.hold_id,
        account_id=hold.account_id,
        amount=format_nanos(hold.amount),
        max_output_tokens=hold.max_output_tokens,
        expires_at=hold.expires_at,
        available=format_nanos(funds.available),
    )
