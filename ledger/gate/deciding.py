"""Decides a group of requests: two round trips to Postgres in one transaction, and the rule in between.

A router asks before every request, so this uses the pipeline, which passes plain texts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from ledger.core.spending import granted
from ledger.gate.holds import (
    SQL,
    Decision,
    Funds,
    Hold,
    HoldClosed,
    HoldConflict,
    HoldOutcome,
    NewHold,
    ProjectionBehind,
)
from ledger.gate.pipeline import Parameters, Pipeline, Row, Statement
from ledger.views.arrays import integers, texts
from schemas.events import Mode
from schemas.states import HoldState

_LOCKED_FUNDS, _FIND_HOLDS, _PUT_HOLDS = (
    Statement.of(SQL[name]) for name in ("locked_funds", "find_holds", "put_holds")
)


async def decide_group(
    pipeline: Pipeline, group: Sequence[NewHold], stale_seconds: float, *, wait: bool
) -> list[HoldOutcome]:
    """Decides requests in their order, in one transaction. None: the account is locked, and `wait` is false."""
    accounts = sorted({new.account_id for new in group})
    found = await pipeline.ask(_LOCKED_FUNDS, {"accounts": texts(accounts), "wait": "true" if wait else "false"})
    funds = {account.account_id: account for account in map(_funds, found)}
    repeatable = [new.hold_id for new in group if new.request_hash is not None]
    found_holds = await pipeline.ask(_FIND_HOLDS, {"ids": texts(repeatable)}) if repeatable else []
    before = {hold.hold_id: hold for hold in map(_hold, found_holds)}
    answers = [_decide(new, funds, before, stale_seconds) for new in group]
    fresh = [
        (new, answer.hold)
        for new, answer in zip(group, answers, strict=True)
        if isinstance(answer, Decision) and answer.hold is not None and not answer.repeated
    ]
    if not fresh:
        await pipeline.commit()
        return answers
    stored = {_text(hold_id) for (hold_id,) in await pipeline.ask_and_commit(_PUT_HOLDS, _columns(fresh))}
    taken = {hold.hold_id for _, hold in fresh} - stored
    if not taken:
        return answers
    conflict = HoldConflict(field="Idempotency-Key")
    return [conflict if new.hold_id in taken else answer for new, answer in zip(group, answers, strict=True)]


def _decide(new: NewHold, funds: dict[str, Funds], before: dict[str, Hold], stale_seconds: float) -> HoldOutcome:
    """Decides one request, and reduces the funds for the requests behind it."""
    account = funds.get(new.account_id)
    if account is None:
        return None
    earlier = before.get(new.hold_id)
    if earlier is not None:
        return _repeat(earlier, new, account)
    if account.behind_seconds > stale_seconds:
        return ProjectionBehind(f"{account.behind_seconds:.0f} s")
    grant = granted(account.available, new.ask)
    if grant is None:
        return Decision(None, account)
    hold = Hold(
        new.hold_id,
        new.account_id,
        grant,
        "open",
        new.expires_at,
        new.provider,
        new.model,
        new.mode,
        new.output_tokens(grant),
        new.call,
        new.request_hash,
    )
    funds[new.account_id] = account._replace(held=account.held + grant)
    if new.request_hash is not None:
        before[new.hold_id] = hold
    return Decision(hold, funds[new.account_id])


def _repeat(earlier: Hold, new: NewHold, funds: Funds) -> HoldOutcome:
    """A repeated request gets the hold that it was granted before. One that has ended is an error."""
    if earlier.request_hash != new.request_hash or earlier.account_id != new.account_id:
        return HoldConflict(field="Idempotency-Key")
    ended = earlier.ended(datetime.now(UTC))
    return HoldClosed(ended) if ended else Decision(earlier, funds, repeated=True)


def _columns(fresh: Sequence[tuple[NewHold, Hold]]) -> Parameters:
    """The holds that were granted now, as columns."""
    holds = [hold for _, hold in fresh]
    return {
        "ids": texts(hold.hold_id for hold in holds),
        "accounts": texts(hold.account_id for hold in holds),
        "amounts": integers(hold.amount for hold in holds),
        "expires": texts(hold.expires_at.isoformat() for hold in holds),
        "providers": texts(hold.provider or "" for hold in holds),
        "models": texts(hold.model or "" for hold in holds),
        "modes": texts(hold.mode or "" for hold in holds),
        "outputs": integers(-1 if hold.max_output_tokens is None else hold.max_output_tokens for hold in holds),
        "calls": texts(hold.call or "" for hold in holds),
        "keys": texts(new.api_key_id or "" for new, _ in fresh),
        "hashes": texts(hold.request_hash or "" for hold in holds),
    }


def _funds(row: Row) -> Funds:
    account_id, balance, held, behind_seconds, enabled, threshold, state, since, disputes = row
    return Funds(
        _text(account_id) or "",
        int(balance or 0),
        int(held or 0),
        float(behind_seconds or "inf"),
        enabled == b"t",
        None if threshold is None else int(threshold),
        _text(state),
        int(since or 0),
        int(disputes or 0),
    )


def _hold(row: Row) -> Hold:
    hold_id, account_id, amount, state, expires_at, provider, model, mode, max_output_tokens, call, request_hash = row
    return Hold(
        _text(hold_id) or "",
        _text(account_id) or "",
        int(amount or 0),
        cast(HoldState, _text(state)),
        datetime.fromisoformat(_text(expires_at) or ""),
        _text(provider),
        _text(model),
        cast(Mode | None, _text(mode)),
        None if max_output_tokens is None else int(max_output_tokens),
        _text(call),
        _text(request_hash),
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
