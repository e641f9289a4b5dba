"""What the charger does next about a trigger, and what an answer of the payment provider means. Pure.

A trigger is charged in numbered attempts; the number is part of the idempotency key at the provider. Only a definite
decline leads to a new number. An outcome that is not known is looked up; if no payment is found, the same key is used
again. A trigger that is charged late is looked up first: the database may have lost its row since, and providers forget
keys after a day.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from schemas.states import AttemptState

FINAL: frozenset[AttemptState] = frozenset({"credited", "suspended", "dropped"})

# find: look through the provider's payments. ask: for the one payment that is known. drop: nothing is to be paid.
ProviderCall = Literal["charge", "find", "ask", "cancel", "drop"]
AnswerKind = Literal[
    "paid", "mismatched", "pending", "soft", "hard", "authentication_required",
    "not_found", "unknown", "unavailable", "refused",
]  # fmt: skip

AUTHENTICATION_REQUIRED = "authentication_required"
MISMATCHED = "payment_mismatch"
# The customer has switched auto top-up off, and no provider has been asked yet.
SWITCHED_OFF = "switched_off"

# For so long after a trigger no row can have been lost in a restored backup, and no idempotency key has expired.
FRESH = timedelta(minutes=10)
_SEARCH_LASTS = timedelta(minutes=1)
# Banks that change their mind do so within hours, and card networks count attempts.
_RETRY_AFTER = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
_PAUSE_MAX = timedelta(minutes=10)


class TriggerProgress(NamedTuple):
    """How far the charging of a trigger is. `attempt`: the current one, from 1; those before it were declined.

    `silent`: how many answers in a row decided nothing. `searched_at`: when a look through the provider's payments last
    found none.
    """

    state: AttemptState = "due"
    attempt: int = 1
    silent: int = 0
    searched_at: datetime | None = None


class ProviderAnswer(NamedTuple):
    """What a provider answered. `code`: why it is no payment. `attempt`: the payment's; 0: the current one."""

    kind: AnswerKind
    code: str = ""
    attempt: int = 0


class FailedAttempt(NamedTuple):
    """`auto_top_up.failed` of one attempt; `suspended`: it was the last one."""

    attempt: int
    reason_code: str
    suspended: bool


class AttemptDecision(NamedTuple):
    """How far the charging is now, when it continues (None: it is over), and the failure to append to the log."""

    progress: TriggerProgress
    due_at: datetime | None
    failure: FailedAttempt | None = None


def next_call(progress: TriggerProgress, *, wanted: bool, search_from: datetime, now: datetime) -> ProviderCall:
    """The next call about a trigger that is not over. `wanted`: the account is in flight with this trigger.

    `search_from`: the earliest moment at which it may have been charged.
    """
    match progress.state:
        case "due" if not wanted:
            return "drop"
        case "due":
            return "charge" if now - search_from < FRESH or _searched(progress, now) else "find"
        case "pending":
            return "ask"
        case "canceling":
            return "cancel"
    return "find"


def decide(progress: TriggerProgress, answer: ProviderAnswer, now: datetime, attempts_max: int) -> AttemptDecision:
    """What follows from an answer. After `attempts_max` declined attempts the account is suspended."""
    if answer.attempt > progress.attempt:  # our row was restored from before that attempt
        progress = progress._replace(attempt=answer.attempt)
    match answer.kind:
        case "paid":
            return AttemptDecision(progress._replace(state="credited"), None)
        case "mismatched":
            return _given_up(progress, MISMATCHED)
        case "not_found":
            return AttemptDecision(progress._replace(state="due", searched_at=now), now)
        case "pending" if progress.state != "canceling":
            return _silent(progress._replace(state="pending"), now)
        case "pending" | "unavailable":
            return _silent(progress, now)
        case "unknown":
            return _silent(progress._replace(state="sent") if progress.state == "due" else progress, now)
    if progress.state == "canceling":
        return _given_up(progress, AUTHENTICATION_REQUIRED)
    if answer.kind == "authentication_required":
        return AttemptDecision(progress._replace(state="canceling", silent=0), now)
    if answer.kind == "soft" and progress.attempt < attempts_max:
        return _again_later(progress, answer.code, now)
    return _given_up(progress, answer.code)


def dropped(progress: TriggerProgress) -> AttemptDecision:
    """The decision for a trigger that is not in flight, and of which the provider has no payment."""
    return AttemptDecision(progress._replace(state="dropped"), None)


def _searched(progress: TriggerProgress, now: datetime) -> bool:
    return progress.searched_at is not None and now - progress.searched_at < _SEARCH_LASTS


def _silent(progress: TriggerProgress, now: datetime) -> AttemptDecision:
    """The same call again, after a pause that doubles each time."""
    pause = min(timedelta(seconds=2 ** min(progress.silent, 10)), _PAUSE_MAX)
    return AttemptDecision(progress._replace(silent=progress.silent + 1), now + pause)


def _again_later(progress: TriggerProgress, code: str, now: datetime) -> AttemptDecision:
    pause = _RETRY_AFTER[min(progress.attempt, len(_RETRY_AFTER)) - 1]
    return AttemptDecision(
        TriggerProgress("due", progress.attempt + 1),
        now + pause,
        FailedAttempt(progress.attempt, code, suspended=False),
    )


def _given_up(progress: TriggerProgress, code: str) -> AttemptDecision:
    return AttemptDecision(
        progress._replace(state="suspended"), None, FailedAttempt(progress.attempt, code, suspended=True)
    )
