"""Whether an account may spend, and how much it is granted: the one rule that refuses requests without credits.

Amounts are nanos. What is available: the balance minus all open holds.
"""

from typing import NamedTuple

from ledger.core.rating import Estimate


class Ask(NamedTuple):
    """What a request wants to hold, and the least that it accepts."""

    wanted: int
    least: int


def may_spend(available: int, amount: int | None = None) -> bool:
    """Whether something is available; with an `amount`, whether at least that is available."""
    return available > 0 and (amount is None or available >= amount)


def granted(available: int, ask: Ask) -> int | None:
    """How much the request is granted; None: less than it accepts is available, so it is refused.

    A request for 0 is always granted: it only renews a hold.
    """
    if ask.wanted == 0:
        return 0
    return min(ask.wanted, available) if may_spend(available, ask.least) else None


def ask_of(estimate: Estimate, output_tokens: int, *, clamp: bool) -> Ask:
    """What a call asks for that may have so many output tokens. `clamp`: it accepts a hold for one of them, too.

    A call that costs nothing asks for 0, and runs without credits.
    """
    wanted = estimate.charge(output_tokens)
    return Ask(wanted, max(estimate.charge(min(1, output_tokens)), 1) if clamp and wanted else wanted)


def affordable_tokens(estimate: Estimate, available: int, at_most: int) -> int:
    """The most output tokens that the call may ask for and is granted, at most `at_most`; 0 if it is always refused.

    What costs nothing is granted whatever is available.
    """
    return estimate.affordable(max(available, 0), at_most) or 0


def days_left(available: int, spent: int, days: int) -> int | None:
    """For how many whole days `available` lasts if `spent` was spent in `days` days; None if nothing was spent."""
    return max(available, 0) * days // spent if spent > 0 else None
