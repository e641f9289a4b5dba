"""UTC days and months in milliseconds: against the standard library's calendar, also far away and at the borders."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import calendar

from .records import ms

MOMENTS_MS = st.integers(0, ms("2199-12-31T23:59:59Z"))


def _datetime(time_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)


@given(MOMENTS_MS)
def test_day_and_month_are_those_of_utc(time_ms: int) -> None:
    at = _datetime(time_ms)
    assert calendar.month_of(time_ms) == at.year * 100 + at.month
    assert calendar.date_of(calendar.day_of(time_ms)) == at.date()
    assert calendar.moment_of(time_ms) == at
    assert calendar.ms_of(at) == time_ms


@given(MOMENTS_MS)
def test_the_next_window_is_the_first_millisecond_of_another_one(time_ms: int) -> None:
    day_ms, month_ms = calendar.next_day_ms(time_ms), calendar.next_month_ms(time_ms)
    assert calendar.day_of(day_ms) == calendar.day_of(day_ms - 1) + 1 == calendar.day_of(time_ms) + 1
    assert calendar.month_of(month_ms - 1) == calendar.month_of(time_ms) < calendar.month_of(month_ms)
    assert month_ms > time_ms


@pytest.mark.parametrize(
    ("at", "opens_at"),
    [
        ("2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z"),
        ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-01-31T12:00:00Z", "2028-02-01T00:00:00Z"),
        ("2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z"),
    ],
)
def test_the_next_month_begins_at_its_first_midnight(at: str, opens_at: str) -> None:
    assert calendar.next_month_ms(ms(at)) == ms(opens_at)
