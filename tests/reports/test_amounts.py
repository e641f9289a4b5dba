"""The words and figures that people read, and the lines behind a charge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.activity import ACTIVITY
from ledger.core.book import compiled
from ledger.core.rating import rate_usage
from ledger.core.spending import may_spend
from ledger.dev.first_book import first_book
from ledger.reports.amounts import amount_text, balance_text, money_text
from ledger.reports.charge_explanation import price_lines
from ledger.reports.descriptions import describe
from schemas.events import EVENT_TYPES, Usage
from schemas.money import format_attos, parse_attos

CENT = 10_000_000
VERSION = compiled(first_book("test-1"), 0)


@pytest.mark.parametrize(
    ("nanos", "shown"),
    [
        (0, "$0.00"),
        (1, "< $0.01"),
        (CENT - 1, "< $0.01"),
        (CENT, "$0.01"),
        (2 * CENT - 1, "$0.01"),
        (1_234_567_890_000_000, "$1,234,567.89"),
        (-1, "$0.01 owed"),
        (-150 * CENT, "$1.50 owed"),
    ],
)
def test_a_balance_never_shows_more_than_there_is(nanos: int, shown: str) -> None:
    assert balance_text(nanos) == shown


@pytest.mark.parametrize(
    ("nanos", "activity", "shown"),
    [
        (-11_000_000, "deduction", "-$0.011000"),
        (-1_000_000_000, "deduction", "-$1.000000"),
        (-1, "deduction", "-< $0.000001"),
        (0, "deduction", "$0.000000"),
        (25_000_000_000, "checkout", "+$25.00"),
        (-5_000_000_000, "manual", "-$5.00"),
        (1_500, "manual", "+$0.000002"),
        (0, "manual", "$0.00"),
    ],
)
def test_charges_have_six_digits_and_other_amounts_two(nanos: int, activity: str, shown: str) -> None:
    assert amount_text(nanos, activity) == shown


@pytest.mark.parametrize(
    ("currency", "minor", "shown"),
    [
        ("INR", 85_000, "₹850"),
        ("USD", 2_550, "$25.50"),
        ("JPY", 1_500, "¥1,500"),
        ("KWD", 1_250, "KWD 1.250"),
        ("CHF", 990, "CHF 9.90"),
    ],
)
def test_money_is_written_in_its_currency(currency: str, minor: int, shown: str) -> None:
    assert money_text(currency, minor) == shown


def test_every_type_of_event_is_either_in_the_history_or_moves_no_credits() -> None:
    silent = {kind for kind in EVENT_TYPES if kind.startswith(("auto_top_up.", "account."))}
    assert set(EVENT_TYPES) - set(ACTIVITY) == silent | {
        "invoice.issued",
        "payout.received",
        "log.recovered",
        "usage.dropped",
    }


def test_a_purchase_says_how_it_was_paid() -> None:
    charged = {"currency": "INR", "amount_minor": 85_000}
    facts = {"kind": "purchase", "provider": "razorpay", "charged": charged}
    assert describe("credits.purchased", facts) == "Credit top-up via Razorpay (₹850)"
    top_up = describe("credits.purchased", {**facts, "kind": "auto_top_up", "provider": "stripe"})
    assert top_up == "Auto top-up via Stripe (₹850)"


@pytest.mark.parametrize(
    ("available", "amount", "may"),
    [(0, None, False), (-1, None, False), (1, None, True), (5, 5, True), (5, 6, False), (0, 0, False)],
)
def test_an_account_may_spend_iff_something_is_left(available: int, amount: int | None, may: bool) -> None:
    assert may_spend(available, amount) is may


@given(st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 10**9))
def test_the_price_lines_add_up_to_the_cost(plain: int, read: int, written: int, output: int) -> None:
    usage = Usage(
        request_id="r",
        provider="anthropic",
        model="claude-sonnet-4-5",
        mode="auto",
        input_tokens=plain + read + written,
        output_tokens=output,
        units={"cache_read_tokens": read, "cache_write_tokens": written},
    )
    cost, _ = rate_usage(usage, VERSION, 0)
    lines = price_lines(usage, VERSION, 0, None)
    assert round(sum(line.nanos for line in lines)) == cost
    assert {line.unit: line.counted for line in lines} == {
        unit: count
        for unit, count in {
            "input_tokens": plain,
            "output_tokens": output,
            "cache_read_tokens": read,
            "cache_write_tokens": written,
        }.items()
        if count
    }


@given(st.integers(0, 10**27))
def test_exact_amounts_are_written_without_loss(attos: int) -> None:
    assert parse_attos(format_attos(attos)) == attos
