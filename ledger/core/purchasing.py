"""Which amounts of credits are sold. Everything that sells credits asks here, and nothing else decides it.

A customer's purchase asks `check_purchase`. An auto top-up of a fixed amount asks `check_sale` when its policy is
saved; its smallest amount is the book's. Amounts are nanos.
"""

from typing import NamedTuple

from ledger.core.errors import AmountOutOfBounds, LedgerError, PurchaseNotInWholeCents
from schemas.money import NANOS_PER_CENT, format_nanos


class PurchaseTooSmall(LedgerError):
    message = "The purchase is smaller than the smallest that is sold"


class PurchaseTooLarge(LedgerError):
    message = "The purchase is larger than the largest that is sold"


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
    check_sale(credits, limits.event_max, field)


def check_sale(credits: int, event_max: int, field: str) -> None:
    """Raises AmountOutOfBounds for more than one event may credit, and PurchaseNotInWholeCents."""
    if credits > event_max:
        raise AmountOutOfBounds(f"at most {format_nanos(event_max)} credits", field=field)
    if credits % NANOS_PER_CENT:
        raise PurchaseNotInWholeCents(field=field)
