"""Which amounts of credits are sold. Everything that sells credits asks `check_purchase`, and nothing else decides it.

Amounts are nanos.
"""

from typing import NamedTuple

from ledger.core.errors import AmountOutOfBounds, LedgerError
from schemas.money import NANOS_PER_CENT, format_nanos


class PurchaseTooSmall(LedgerError):
    message = "The purchase is smaller than the smallest that is sold"


class PurchaseTooLarge(LedgerError):
    message = "The purchase is larger than the largest that is sold"


class PurchaseNotInWholeCents(LedgerError):
    message = "Credits are sold in whole cents"


class PurchaseLimits(NamedTuple):
    """The bounds of a purchase.

    `smallest` and `largest` are settings of the deployment. `event_max` is the book's bound for one event: a larger
    purchase would be paid but could not be credited.
    """

    smallest: int
    largest: int
    event_max: int


def check_purchase(credits: int, limits: PurchaseLimits, field: str = "amount") -> None:
    """Raises PurchaseTooSmall, PurchaseTooLarge, AmountOutOfBounds or PurchaseNotInWholeCents."""
    if credits < limits.smallest:
        raise PurchaseTooSmall(f"{format_nanos(limits.smallest)} credits", field=field)
    if credits > limits.largest:
        raise PurchaseTooLarge(f"{format_nanos(limits.largest)} credits", field=field)
    check_creditable(credits, limits.event_max, field)
    if credits % NANOS_PER_CENT:
        raise PurchaseNotInWholeCents(field=field)


def check_creditable(credits: int, event_max: int, field: str) -> None:
    """Raises AmountOutOfBounds for more than one event may credit."""
    if credits > event_max:
        raise AmountOutOfBounds(f"at most {format_nanos(event_max)} credits", field=field)
