"""What a request asks of the gate, in nanos; by the book where it names a call."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ledger.core.book import Version
from ledger.core.errors import LedgerError
from ledger.core.rating import Call, affordable_output, estimate_usage
from ledger.core.spending import Ask
from ledger.gate.holds import Hold, NewHold
from ledger.settings import Settings
from schemas.http import Extension, NewAuthorization
from schemas.money import parse_nanos


class TtlTooLong(LedgerError):
    message = "The time to live is longer than the setting allows"


class NotPriced(LedgerError):
    message = "The authorization names no model; extend it by an amount"


def new_hold(body: NewAuthorization, hold_id: str, version: Version, settings: Settings) -> NewHold:
    """The hold that a request asks for. Raises Unpriced or TtlTooLong."""
    call = call_of(body)
    return NewHold(
        hold_id,
        body.account_id,
        _ask(body, call, version, settings),
        expiry(body.ttl, settings),
        body.provider,
        body.model,
        body.mode,
        body.max_output_tokens,
        body.api_key_id,
        affordable=_affordable(body, call, version),
    )


def expiry(ttl: int | None, settings: Settings) -> datetime:
    """When a hold ends that is made now and lasts `ttl` seconds. Raises TtlTooLong."""
    seconds = settings.hold_seconds if ttl is None else ttl
    if seconds > settings.hold_seconds_max:
        raise TtlTooLong(f"at most {settings.hold_seconds_max}", field="ttl")
    return datetime.now(UTC) + timedelta(seconds=seconds)


def call_of(body: NewAuthorization) -> Call | None:
    """The call that is to be priced; None when the request names none."""
    if body.provider is None or body.model is None or body.mode is None or body.input_tokens is None:
        return None
    return Call(body.provider, body.model, body.mode, body.input_tokens)


def _ask(body: NewAuthorization, call: Call | None, version: Version, settings: Settings) -> Ask:
    if body.amount is not None:
        amount = parse_nanos(body.amount)
        return Ask(amount, 1 if body.clamp else amount)
    if call is None or body.max_output_tokens is None:
        return Ask(parse_nanos(settings.hold_credits), 1)
    wanted = max(estimate_usage(version, call, body.max_output_tokens), 1)
    return Ask(wanted, max(estimate_usage(version, call, 1), 1) if body.clamp else wanted)


def _affordable(body: NewAuthorization, call: Call | None, version: Version) -> Callable[[int], int | None] | None:
    """The output tokens that a grant pays for, of a call that was priced and may get less than it wants."""
    at_most = body.max_output_tokens
    if call is None or at_most is None or not body.clamp:
        return None
    return lambda nanos: affordable_output(version, call, nanos, at_most)


def extension_amount(hold: Hold, body: Extension, version: Version) -> int:
    """What an extension adds to a hold; 0 when it only renews it. Raises NotPriced or Unpriced."""
    if body.renews_only:
        return 0
    if body.amount is not None:
        return parse_nanos(body.amount)
    if hold.provider is None or hold.model is None or hold.mode is None or body.output_tokens is None:
        raise NotPriced(field="output_tokens")
    return max(estimate_usage(version, Call(hold.provider, hold.model, hold.mode, 0), body.output_tokens), 1)
