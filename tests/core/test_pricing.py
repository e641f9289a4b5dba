"""What a purchase costs and what a refund gives back: exact, rounded once per part, and nothing lost in parts."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import AmountIsZero, ExceedsPurchase
from ledger.core.pricing import (
    NoRateInEffect,
    Price,
    disputed_share,
    effective_rate,
    minor_digits,
    price_of,
    refund_minor,
    refund_share,
)
from schemas.money import parse_nanos

RATES = st.from_regex(r"[1-9][0-9]{0,4}(\.[0-9]{1,2})?", fullmatch=True)
PERCENTS = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,4})?", fullmatch=True)
CURRENCIES = st.sampled_from(["USD", "INR", "JPY", "KWD"])
CREDITS = st.integers(10**9, 10**15)


@pytest.mark.parametrize(
    ("credits", "currency", "rate", "percent", "amount", "tax"),
    [
        pytest.param("10", "USD", "1", "0", 1000, 0, id="a credit is a dollar"),
        pytest.param("10", "INR", "85.00", "0", 85_000, 0, id="rupees by their rate"),
        pytest.param("10", "INR", "85.00", "18", 100_300, 15_300, id="and the tax on top"),
        pytest.param("10", "JPY", "150", "10", 1650, 150, id="a currency without minor units"),
        pytest.param("10", "KWD", "0.307", "0", 3070, 0, id="one with three digits"),
        pytest.param("5.005", "USD", "1", "0", 500, 0, id="a tie goes down to the even cent"),
        pytest.param("5.015", "USD", "1", "0", 502, 0, id="a tie goes up to the even cent"),
        # Of 500.4 cents exactly, 12.5 percent would be 62.55, hence 63; the invoice says 500 and 62.5, hence 62.
        pytest.param("5.004", "USD", "1", "12.5", 562, 62, id="tax is that of the amount on the invoice"),
    ],
)
def test_a_price_is_credits_times_rate_and_tax(
    credits: str, currency: str, rate: str, percent: str, amount: int, tax: int
) -> None:
    nanos = parse_nanos(credits)
    assert price_of(nanos, currency, rate, percent) == Price(nanos, currency, amount, tax, rate, percent)


@given(CREDITS, CURRENCIES, RATES, PERCENTS)
def test_a_price_is_that_of_exact_fractions(credits: int, currency: str, rate: str, percent: str) -> None:
    price = price_of(credits, currency, rate, percent)
    net = round(Fraction(credits, 10**9) * Fraction(rate) * 10 ** minor_digits(currency))
    tax = round(net * Fraction(percent) / 100)
    assert (price.amount_minor, price.tax_minor) == (net + tax, tax)


def test_credits_that_cost_less_than_a_minor_unit_have_no_price() -> None:
    with pytest.raises(AmountIsZero, match="credits"):
        price_of(parse_nanos("0.005"), "USD", "1")


RUPEES = [(date(2026, 11, 1), "85.00"), (date(2026, 12, 1), "86.50"), (date(2026, 10, 1), "84")]


@pytest.mark.parametrize(
    ("today", "rate"),
    [
        pytest.param(date(2026, 10, 31), "84", id="the day before the next"),
        pytest.param(date(2026, 11, 1), "85.00", id="from its first day on"),
        pytest.param(date(2027, 6, 1), "86.50", id="the last one for ever"),
    ],
)
def test_the_rate_is_the_last_that_began(today: date, rate: str) -> None:
    assert effective_rate(RUPEES, today) == rate


def test_without_a_rate_that_began_there_is_no_price() -> None:
    with pytest.raises(NoRateInEffect, match="begins on 2026-10-01"):
        effective_rate(RUPEES, date(2026, 9, 30))
    with pytest.raises(NoRateInEffect, match="none is set"):
        effective_rate([], date(2026, 9, 30))


@given(st.data(), CREDITS | st.integers(1, 100), st.integers(1, 10**7) | st.integers(1, 20))
def test_refunds_of_everything_give_back_exactly_everything_in_any_parts(
    data: st.DataObject, whole: int, amount: int
) -> None:
    before, given_back = 0, 0
    while before < amount:
        part = data.draw(st.integers(1, amount - before))
        share = refund_share(whole, amount, before, part)
        assert share >= 0
        before, given_back = before + part, given_back + share
        assert given_back == round(Fraction(whole * before, amount))
        if data.draw(st.booleans()):
            given_back += refund_share(whole, amount, before, amount - before)
            break
    assert given_back == whole


def test_more_than_what_was_paid_is_not_refunded() -> None:
    assert refund_share(parse_nanos("10"), 1000, 400, 600) == parse_nanos("6")
    with pytest.raises(ExceedsPurchase, match="amount_minor"):
        refund_share(parse_nanos("10"), 1000, 400, 601)


@given(CREDITS, st.integers(1, 10**9), st.data())
def test_a_dispute_takes_its_share_and_never_more_than_is_left(credits: int, amount: int, data: st.DataObject) -> None:
    disputed, left = data.draw(st.integers(0, amount)), data.draw(st.integers(0, credits))
    share = disputed_share(credits, amount, disputed, left)
    assert share == min(round(Fraction(credits * disputed, amount)), left)


@given(CREDITS, st.integers(1, 10**9), st.data())
def test_credits_are_paid_back_at_their_price_and_never_more_than_is_left(
    credits: int, amount: int, data: st.DataObject
) -> None:
    given_back, left = data.draw(st.integers(0, credits)), data.draw(st.integers(0, amount))
    minor = refund_minor(credits, amount, left, given_back)
    assert minor == min(round(Fraction(amount * given_back, credits)), left)
