"""Which amounts of credits are sold: each bound with the amounts on both sides of it."""

import pytest

from ledger.core.errors import LedgerError
from ledger.core.purchasing import PurchaseLimits, check_purchase
from schemas.money import parse_nanos

LIMITS = PurchaseLimits(parse_nanos("5"), parse_nanos("100"), parse_nanos("1000"))
BOOK_IS_LOWER = LIMITS._replace(event_max=parse_nanos("50"))


@pytest.mark.parametrize("amount", ["5", "5.01", "9.99", "99.99", "100"])
def test_amounts_within_the_bounds_are_sold(amount: str) -> None:
    check_purchase(parse_nanos(amount), LIMITS)


@pytest.mark.parametrize(
    ("amount", "limits", "code", "text"),
    [
        ("0", LIMITS, "purchase_too_small", "5 credits"),
        ("4.99", LIMITS, "purchase_too_small", "5 credits"),
        ("4.999999999", LIMITS, "purchase_too_small", "5 credits"),
        ("100.01", LIMITS, "purchase_too_large", "100 credits"),
        ("50.01", BOOK_IS_LOWER, "amount_out_of_bounds", "at most 50 credits"),
        ("10.001", LIMITS, "purchase_not_in_whole_cents", ""),
        ("5.000000001", LIMITS, "purchase_not_in_whole_cents", ""),
    ],
)
def test_an_amount_beyond_a_bound_is_refused_for_that_bound(
    amount: str, limits: PurchaseLimits, code: str, text: str
) -> None:
    with pytest.raises(LedgerError) as refusal:
        check_purchase(parse_nanos(amount), limits)
    assert (refusal.value.code, refusal.value.field, refusal.value.detail) == (code, "amount", text)
