"""Figures, colors and bars: what a customer reads is what the ledger says, in any notation, and can be read."""

import itertools
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.spending import days_left
from ledger.portal.chart import HEIGHT, OTHER, chart_of
from ledger.portal.colors import brand_css, contrast, readable
from ledger.portal.display import Display, locale_of
from ledger.portal.messages import standing_text
from ledger.reports.amounts import amount_text, balance_text

US, DE = Display("en-US", "UTC"), Display("de-DE", "Europe/Berlin")
CENT = 10_000_000
NANOS = st.integers(-(10**18), 10**18)
COLORS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(NANOS)
def test_in_american_notation_figures_are_those_of_the_statement(nanos: int) -> None:
    assert US.balance(nanos) == balance_text(nanos)
    for activity in ("deduction", "checkout", "manual"):
        assert US.amount(nanos, activity) == amount_text(nanos, activity).replace("-", "−")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (DE.balance(1_234_560_000_000), "1.234,56\xa0$"),
        (DE.balance(1), "< 0,01\xa0$"),
        (DE.balance(-CENT), "0,01\xa0$ owed"),
        (DE.amount(-11_000_000, "deduction"), "−0,011000\xa0$"),
        (DE.money("INR", 85_000), "850,00\xa0₹"),
        (US.money("JPY", 850), "¥850"),
        (US.price(2_500_000 * 10**12), "$2.50"),
        (US.price(75_000 * 10**12), "$0.075"),
        (US.percent("0.1"), "10%"),
        (US.percent("0.085"), "8.5%"),
        (US.spent(1), "$0.01"),
    ],
)
def test_figures_are_written_as_the_customer_writes_them(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("display", "typed", "read"),
    [
        (US, "$1,000", "1000"),
        (US, "12.50", "12.50"),
        (DE, "12,50 $", "12.50"),
        (DE, "1.000", "1000"),
        (DE, "12.50", None),
        (US, "1e3", None),
        (US, "Infinity", None),
        (US, "-5", None),
        (US, "", None),
        (US, "ten", None),
    ],
)
def test_typed_amounts_are_read_or_refused(display: Display, typed: str, read: str | None) -> None:
    assert display.read_amount(typed) == read


@given(st.decimals(0, 10**8, places=9).map(lambda number: f"{number.normalize():f}"))
def test_what_a_form_shows_is_read_back_as_it_was(text: str) -> None:
    for display in (US, DE):
        read = display.read_amount(display.typed(text))
        assert read is not None
        assert Decimal(read) == Decimal(text)


@pytest.mark.parametrize(
    ("said", "accepted", "locale"),
    [
        ("de-DE", "fr", "de-DE"),
        (None, "xx-yy, fr-CH;q=0.9, en", "fr-CH"),
        (None, "*", "en-US"),
        (None, "'; DROP", "en-US"),
        (None, "en-US@x, de", "de"),
        (None, "", "en-US"),
    ],
)
def test_the_notation_is_the_profiles_or_the_browsers(said: str | None, accepted: str, locale: str) -> None:
    assert locale_of(said, accepted) == locale


@given(COLORS)
def test_any_brand_color_can_be_read(color: str) -> None:
    assert contrast(readable(color, "#ffffff"), "#ffffff") >= 4.5
    assert contrast(readable(color, "#161b26"), "#161b26") >= 4.5
    on_accent = brand_css(color).partition("--on-accent: ")[2][:7]
    assert contrast(on_accent, color) >= 4.5


@given(st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**15)), min_size=1, max_size=90))
def test_bars_stand_on_each_other_and_fit(amounts: list[dict[str, int]]) -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(len(amounts))]
    chart = chart_of(days, dict(zip(days, amounts, strict=True)))
    assert len(chart.models) <= 6
    assert (OTHER in chart.models) == (len({model for day in amounts for model, nanos in day.items() if nanos}) > 5)
    for x in {bar.x for bar in chart.bars}:
        stack = [bar for bar in chart.bars if bar.x == x]
        assert stack[0].y + stack[0].height == HEIGHT
        assert all(below.y == above.y + above.height for below, above in itertools.pairwise(stack))
        assert stack[-1].y >= 0


@pytest.mark.parametrize(
    ("available", "spent", "days", "left"),
    [(100, 70, 7, 10), (99, 70, 7, 9), (100, 0, 7, None), (-5, 70, 7, 0), (10**18, 1, 1, 10**18)],
)
def test_credits_last_as_long_as_the_pace_says(available: int, spent: int, days: int, left: int | None) -> None:
    assert days_left(available, spent, days) == left


@pytest.mark.parametrize(
    ("enabled", "state", "reason", "said"),
    [
        (False, "armed", None, "Off."),
        (True, "armed", None, "On: it watches your balance."),
        (False, "suspended", "switched_off", "Off."),
        (True, "in_flight", None, "A top-up is under way."),
        (True, "capped", "day", "Paused: the limit per day is reached; it continues tomorrow (UTC)."),
        (
            True,
            "suspended",
            "insufficient_funds",
            "Stopped: there is not enough money on the card. Use another payment method, or save to try again.",
        ),
        (
            True,
            "suspended",
            "payment_mismatch",
            "Stopped: the last payment did not fit; we are looking into it. "
            "Use another payment method, or save to try again.",
        ),
    ],
)
def test_where_auto_top_up_stands_is_said_with_its_reason(
    enabled: bool, state: str, reason: str | None, said: str
) -> None:
    assert standing_text(enabled=enabled, state=state, reason=reason) == said
