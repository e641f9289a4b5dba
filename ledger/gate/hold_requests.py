"""What a request asks of the gate, in nanos; by the book where it names a call."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ledger.core.book import Version
from ledger.core.errors import CountsDoNotNest, LedgerError, Unpriced
from ledger.core.rating import Call, Estimate
from ledger.core.spending import Ask, affordable_tokens, ask_of
from ledger.gate.holds import Hold, NewHold
from ledger.settings import Settings
from schemas.http import Extension, NewAuthorization
from schemas.money import parse_nanos


class TtlTooLong(LedgerError):
    message = "The time to live is longer than the setting allows"


class NotPriced(LedgerError):
    message = "The authorization names no model; extend it by an amount"


def new_hold(body: NewAuthorization, hold_id: str, version: Version, settings: Settings) -> NewHold:
    """The hold that a request asks for. Raises Unpriced, CountsDoNotNest or TtlTooLong."""
    try:
        estimate = _estimate(body, version)
        ask = _ask(body, estimate, settings)
    except (CountsDoNotNest, Unpriced) as error:
        raise _by_own_field(error) from None
    return NewHold(
        hold_id,
        body.account_id,
        ask,
        expiry(body.ttl, settings),
        body.provider,
        body.model,
        body.mode,
        body.max_output_tokens,
        _call_text(body) if estimate is not None and estimate.depends_on_the_call else None,
        body.api_key_id,
        affordable=_affordable(body, estimate),
    )


def expiry(ttl: int | None, settings: Settings) -> datetime:
    """When a hold ends that is made now and lasts `ttl` seconds. Raises TtlTooLong."""
    seconds = settings.hold_seconds if ttl is None else ttl
    if seconds > settings.hold_seconds_max:
        raise TtlTooLong(f"at most {settings.hold_seconds_max}", field="ttl")
    return datetime.now(UTC) + timedelta(seconds=seconds)


def _estimate(body: NewAuthorization, version: Version) -> Estimate | None:
    """What the named call will cost; None when the request names none. Raises Unpriced."""
    if body.provider is None or body.model is None or body.mode is None or body.input_tokens is None:
        return None
    units, attributes = body.units or {}, body.attributes or {}
    call = Call(body.provider, body.model, body.mode, body.input_tokens, units, attributes, body.own_key)
    return Estimate(version, call, _now_ms())


def _ask(body: NewAuthorization, estimate: Estimate | None, settings: Settings) -> Ask:
    if body.amount is not None:
        amount = parse_nanos(body.amount)
        return Ask(amount, 1 if body.clamp else amount)
    if estimate is None or body.max_output_tokens is None:
        return Ask(parse_nanos(settings.hold_credits), 1)
    return ask_of(estimate, body.max_output_tokens, clamp=body.clamp)


def _affordable(body: NewAuthorization, estimate: Estimate | None) -> Callable[[int], int] | None:
    """The output tokens that an amount pays for, of a call that was priced."""
    at_most = body.max_output_tokens
    if estimate is None or at_most is None:
        return None
    return lambda nanos: affordable_tokens(estimate, nanos, at_most)


def extension_amount(hold: Hold, body: Extension, version: Version) -> int:
    """What an extension adds to a hold; 0 when it only renews it. Raises NotPriced or Unpriced."""
    if body.renews_only:
        return 0
    if body.amount is not None:
        return parse_nanos(body.amount)
    if hold.provider is None or hold.model is None or hold.mode is None or body.output_tokens is None:
        raise NotPriced(field="output_tokens")
    known = json.loads(hold.call) if hold.call else {"input_tokens": 0}
    estimate = Estimate(version, Call(hold.provider, hold.model, hold.mode, **known), _now_ms())
    return estimate.charge(body.output_tokens) - estimate.charge(0)


def _by_own_field(error: CountsDoNotNest | Unpriced) -> LedgerError:
    """The same error with the field of a request, where it names that of an event."""
    return type(error)(error.detail, field=(error.field or "").removeprefix("data."))


def _call_text(body: NewAuthorization) -> str:
    call = {"input_tokens": body.input_tokens, "attributes": body.attributes or {}, "own_key": body.own_key}
    return json.dumps(call)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
