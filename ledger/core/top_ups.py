"""The auto-top-up machine. Its states: armed, in_flight, capped, suspended. It triggers once per crossing, within caps.

It is checked after every event that may trigger, so that batch boundaries don't matter. Refunds, disputes and
adjustments never trigger, and nothing triggers while a dispute is open.

This is part of rules number 1: once they are released, it never changes (ledger/core/rules_1.py).
"""

from typing import NamedTuple

from ledger.core.account import Policy, TopUps
from ledger.core.calendar import counted_in, day_of, moment_of, month_of, next_day_ms, next_month_ms
from ledger.core.effects import effect_id, effect_of
from ledger.core.entry import Context
from ledger.core.errors import TopUpCannotReachThreshold, TopUpExceedsCap, TopUpTooSmall
from ledger.core.purchasing import check_sale
from schemas.effects import (
    AutoTopUpSkipped,
    AutoTopUpSuspended,
    AutoTopUpTriggered,
    Effect,
    Skip,
    Suspension,
    Trigger,
    Window,
)
from schemas.events import Purchase, TopUpFailure, TopUpPolicy
from schemas.money import NANOS_PER_CENT, format_nanos, parse_nanos

# No cap is larger, so counting further would change no decision; and a skip's event can carry it.
_SPENT_NANOS_MAX = 10**18 - 1


class Step(NamedTuple):
    """The machine after a step, and the effects of the step."""

    top_ups: TopUps
    effects: tuple[Effect, ...] = ()


class _Cap(NamedTuple):
    """A cap that a top-up would exceed."""

    window: Window
    cap: int
    spent: int
    opens_at_ms: int


def checked(top_ups: TopUps, funds: int, context: Context) -> Step:
    """The step that a check takes: a trigger, a skip because of a cap, or nothing.

    `funds`: what is compared with the threshold. It is the balance, or what a refused authorization found available.
    """
    policy = top_ups.policy
    if policy is None or not may_trigger(
        enabled=policy.enabled,
        state=top_ups.state,
        threshold=policy.threshold,
        open_disputes=top_ups.open_disputes,
        funds=funds,
    ):
        return Step(top_ups)
    credits = _size(policy, funds, context)
    cap = _exceeded_cap(top_ups, policy, credits, context.log_time_ms)
    if cap is None:
        return _trigger(top_ups, policy, credits, funds, context)
    return _skip(top_ups, credits, cap, context)


def may_trigger(*, enabled: bool, state: str | None, threshold: int | None, open_disputes: int, funds: int) -> bool:
    """Whether a top-up triggers: it is on and armed, no dispute is open, and `funds` is below the threshold.

    `state` and `threshold` None: of an account without a policy.
    """
    return enabled and state == "armed" and threshold is not None and funds < threshold and not open_disputes


def configured(top_ups: TopUps, wire: TopUpPolicy, balance: int, context: Context) -> TopUps:
    """The machine with a new policy: armed, unless a trigger is in flight. Raises what `_refuse` refuses."""
    policy = _policy_of(wire)
    if policy.enabled:
        _refuse(policy, balance, context)
    if top_ups.state == "in_flight":
        return top_ups._replace(policy=policy)
    return _armed(top_ups)._replace(policy=policy)


def purchased(top_ups: TopUps, purchase: Purchase, context: Context) -> TopUps:
    """The machine after a purchase was paid. A late payment of an earlier trigger does not change its state."""
    if purchase.kind == "purchase":
        return _armed(top_ups) if top_ups.state == "suspended" else top_ups
    spent = _with_spent(top_ups, parse_nanos(purchase.credits), context.log_time_ms)
    paid_in_flight = top_ups.state == "in_flight" and purchase.trigger_id == top_ups.trigger_id
    return _armed(spent) if paid_in_flight else spent


def failed(top_ups: TopUps, failure: TopUpFailure, context: Context) -> Step:
    """Suspended if the charger gave up on the trigger in flight. Otherwise nothing changes: the charger retries."""
    current = top_ups.state == "in_flight" and failure.trigger_id == top_ups.trigger_id
    if not current or not failure.suspended:
        return Step(top_ups)
    suspended = top_ups._replace(state="suspended", trigger_id=None, credits=0, reason=failure.reason_code)
    data = Suspension(trigger_id=failure.trigger_id, reason_code=failure.reason_code)
    return Step(suspended, (effect_of(AutoTopUpSuspended, data, context),))


def resumed(top_ups: TopUps) -> TopUps:
    """Armed if it was suspended; otherwise nothing changes."""
    return _armed(top_ups) if top_ups.state == "suspended" else top_ups


def rechecked(top_ups: TopUps) -> TopUps:
    """Armed if it was capped; otherwise nothing changes."""
    return _armed(top_ups) if top_ups.state == "capped" else top_ups


def _armed(top_ups: TopUps) -> TopUps:
    return top_ups._replace(state="armed", trigger_id=None, credits=0, reason=None)


def _trigger(top_ups: TopUps, policy: Policy, credits: int, funds: int, context: Context) -> Step:
    data = Trigger(
        trigger_id=effect_id(AutoTopUpTriggered, context),
        credits=format_nanos(credits),
        balance=format_nanos(funds),
        threshold=format_nanos(policy.threshold),
        caused_by=context.fact.event_id,
        provider=policy.provider,
        payment_method_id=policy.payment_method_id,
    )
    in_flight = top_ups._replace(state="in_flight", trigger_id=data.trigger_id, credits=credits, reason=None)
    return Step(in_flight, (effect_of(AutoTopUpTriggered, data, context),))


def _skip(top_ups: TopUps, credits: int, cap: _Cap, context: Context) -> Step:
    data = Skip(
        window=cap.window,
        cap=format_nanos(cap.cap),
        spent=format_nanos(cap.spent),
        credits=format_nanos(credits),
        opens_at=moment_of(cap.opens_at_ms),
    )
    capped = top_ups._replace(state="capped", reason=cap.window)
    return Step(capped, (effect_of(AutoTopUpSkipped, data, context),))


def _size(policy: Policy, funds: int, context: Context) -> int:
    """Credits to buy, in nanos. With a target: what is missing, in whole cents, and at least the smallest top-up.

    At most the bound of one event: a larger purchase would be refused after the card was charged.
    """
    credits = policy.amount
    if policy.sizing == "target":
        missing = -(-(policy.amount - funds) // NANOS_PER_CENT) * NANOS_PER_CENT
        credits = max(missing, context.version.top_up_nanos_min)
    return min(credits, context.version.event_nanos_max)


def _exceeded_cap(top_ups: TopUps, policy: Policy, credits: int, log_time_ms: int) -> _Cap | None:
    """The cap that buying `credits` now would exceed; if both would be, the month's, which opens later."""
    month_spent = counted_in(month_of(log_time_ms), top_ups.month, top_ups.month_spent)
    if policy.cap_month is not None and month_spent + credits > policy.cap_month:
        return _Cap("month", policy.cap_month, month_spent, next_month_ms(log_time_ms))
    day_spent = counted_in(day_of(log_time_ms), top_ups.day, top_ups.day_spent)
    if policy.cap_day is not None and day_spent + credits > policy.cap_day:
        return _Cap("day", policy.cap_day, day_spent, next_day_ms(log_time_ms))
    return None


def _with_spent(top_ups: TopUps, credits: int, log_time_ms: int) -> TopUps:
    """Adds credits that auto top-up bought to the UTC day and month in which they were paid."""
    day, month = day_of(log_time_ms), month_of(log_time_ms)
    return top_ups._replace(
        day=day,
        day_spent=min(credits + counted_in(day, top_ups.day, top_ups.day_spent), _SPENT_NANOS_MAX),
        month=month,
        month_spent=min(credits + counted_in(month, top_ups.month, top_ups.month_spent), _SPENT_NANOS_MAX),
    )


def _policy_of(wire: TopUpPolicy) -> Policy:
    return Policy(
        enabled=wire.enabled,
        threshold=parse_nanos(wire.threshold),
        amount=parse_nanos(wire.amount),
        sizing=wire.sizing,
        cap_day=None if wire.cap_day is None else parse_nanos(wire.cap_day),
        cap_month=None if wire.cap_month is None else parse_nanos(wire.cap_month),
        provider=wire.provider,
        payment_method_id=wire.payment_method_id,
    )


def _refuse(policy: Policy, balance: int, context: Context) -> None:
    """Raises TopUpTooSmall, TopUpCannotReachThreshold, TopUpExceedsCap, and what `check_sale` raises."""
    if policy.amount < context.version.top_up_nanos_min:
        raise TopUpTooSmall(format_nanos(context.version.top_up_nanos_min), field="data.amount")
    if policy.sizing == "fixed":
        check_sale(policy.amount, context.version.event_nanos_max, "data.amount")
    reached = policy.amount if policy.sizing == "target" else min(balance, policy.threshold) + policy.amount
    if reached < policy.threshold:
        raise TopUpCannotReachThreshold(field="data.amount")
    for field, cap in (("data.cap_day", policy.cap_day), ("data.cap_month", policy.cap_month)):
        if cap is not None and policy.sizing == "fixed" and policy.amount > cap:
            raise TopUpExceedsCap(format_nanos(cap), field=field)
