"""Whether an account may spend, and how much of what it asks: the one rule that blocks requests when money is gone.

Amounts are nanos. What is available is the balance less all open holds.
"""

from typing import NamedTuple


class Ask(NamedTuple):
    """What a request would like to hold, and the least that it can do with."""

    wanted: int
    least: int


def may_spend(available: int, amount: int | None = None) -> bool:
    """True iff something is available, and no less than `amount` when one is named."""
    return available > 0 and (amount is None or available >= amount)


def granted(available: int, ask: Ask) -> int | None:
    """How much of what is available the request gets; None when that is less than it can do with.

    A request for nothing more is always granted: what is held already is promised.
    """
    if ask.wanted == 0:
        return 0
    return min(ask.wanted, available) if may_spend(available, ask.least) else None


def days_left(available: int, spent: int, days: int) -> int | None:
    """For how many whole days `available` lasts if `spent` was spent in `days` days; None if nothing was spent."""
    return max(available, 0) * days // spent if spent > 0 else None
