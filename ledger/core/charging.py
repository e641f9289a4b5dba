"""What the charger does next about a trigger, and what an answer of its provider means: pure, as tables are.

A trigger is charged in numbered attempts; the number is part of the idempotency key at the provider. There is a new
number only after a definite decline. What is not known is looked up, and where nothing is found the same key is used
again. A charge that comes late is looked for first: rows may have been lost since, and providers forget keys in a day.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

# due: the attempt may be made. sent: the provider was asked, and what came of it is not known. pending: the provider
# says that it is neither paid nor declined. canceling: only the customer could confirm it, so it is taken back.
State = Literal["due", "sent", "pending", "canceling", "credited", "suspended", "dropped"]
FINAL: frozenset[State] = frozenset({"credited", "suspended", "dropped"})

# find: look through the provider's payments. ask: for the one payment that is known. drop: nothing is to be paid.
Call = Literal["charge", "find", "ask", "cancel", "drop"]
Kind = Literal[
    "paid", "mismatched", "pending", "soft", "hard", "authentication_required",
    "not_found", "unknown", "unavailable", "refused",
]  # fmt: skip

AUTHENTICATION_REQUIRED = "authentication_required"
MISMATCHED = "payment_mismatch"
# The customer does not want it any more, and nobody was asked for it.
SWITCHED_OFF = "switched_off"

# From its trigger on, no row that was written can have been lost in a backup, and no key has expired.
FRESH = timedelta(minutes=10)
_SEARCH_LASTS = timedelta(minutes=1)
# Banks change their mind in hours, when they do; card networks count attempts.
_RETRY_AFTER = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
_PAUSE_MAX = timedelta(minutes=10)


class Charge(NamedTuple):
    """Where a trigger's charge stands. `attempt` counts from 1; so many less one were declined.

    `silent`: answers in a row that decided nothing. `searched_at`: when the provider was last looked through in vain.
    """

    state: State = "due"
    attempt: int = 1
    silent: int = 0
    searched_at: datetime | None = None


class Answer(NamedTuple):
    """What a provider said. `code`: why not. `attempt`: which one a payment was made for; 0: the current one."""

    kind: Kind
    code: str = ""
    attempt: int = 0


class Failure(NamedTuple):
    """`auto_top_up.failed` of one attempt; `suspended`: there will be no other one."""

    attempt: int
    reason_code: str
    suspended: bool


class Decision(NamedTuple):
    """Where the charge stands now, when to go on (None: never, it is over), and what the log is to be told."""

    charge: Charge
    due_at: datetime | None
    failure: Failure | None = None


def next_call(charge: Charge, *, wanted: bool, search_from: datetime, now: datetime) -> Call:
    """What to do about a charge that is not over. `wanted`: the account is in flight with this trigger.

    `search_from`: when it may have been charged first.
    """
    match charge.state:
        case "due" if not wanted:
            return "drop"
        case "due":
            return "charge" if now - search_from < FRESH or _searched(charge, now) else "find"
        case "pending":
            return "ask"
        case "canceling":
            return "cancel"
    return "find"


def after(charge: Charge, answer: Answer, now: datetime, attempts_max: int) -> Decision:
    """What an answer decides. At most `attempts_max` attempts of a trigger are declined."""
    if answer.attempt > charge.attempt:  # our row is older than the provider's memory
        charge = charge._replace(attempt=answer.attempt)
    match answer.kind:
        case "paid":
            return Decision(charge._replace(state="credited"), None)
        case "mismatched":
            return _given_up(charge, MISMATCHED)
        case "not_found":
            return Decision(charge._replace(state="due", searched_at=now), now)
        case "pending" if charge.state != "canceling":
            return _silent(charge._replace(state="pending"), now)
        case "pending" | "unavailable":
            return _silent(charge, now)
        case "unknown":
            return _silent(charge._replace(state="sent") if charge.state == "due" else charge, now)
    if charge.state == "canceling":
        return _given_up(charge, AUTHENTICATION_REQUIRED)
    if answer.kind == "authentication_required":
        return Decision(charge._replace(state="canceling", silent=0), now)
    if answer.kind == "soft" and charge.attempt < attempts_max:
        return _again_later(charge, answer.code, now)
    return _given_up(charge, answer.code)


def dropped(charge: Charge) -> Decision:
    """The trigger is not in flight, and nothing of it is at the provider."""
    return Decision(charge._replace(state="dropped"), None)


def _searched(charge: Charge, now: datetime) -> bool:
    return charge.searched_at is not None and now - charge.searched_at < _SEARCH_LASTS


def _silent(charge: Charge, now: datetime) -> Decision:
    """The same again, later each time."""
    pause = min(timedelta(seconds=2 ** min(charge.silent, 10)), _PAUSE_MAX)
    return Decision(charge._replace(silent=charge.silent + 1), now + pause)


def _again_later(charge: Charge, code: str, now: datetime) -> Decision:
    pause = _RETRY_AFTER[min(charge.attempt, len(_RETRY_AFTER)) - 1]
    return Decision(Charge("due", charge.attempt + 1), now + pause, Failure(charge.attempt, code, suspended=False))


def _given_up(charge: Charge, code: str) -> Decision:
    return Decision(charge._replace(state="suspended"), None, Failure(charge.attempt, code, suspended=True))
