"""Traces: free up to what the package includes in each UTC month of the log's clock, then the trace price."""

import pytest

from schemas.money import format_nanos

from .records import Published, book_of, plain_book, wire_of
from .story import Story


def _charge(story: Story, count: int, at: str | None = None) -> tuple[int, str]:
    """(how many were free, what the others cost)"""
    entry = story.trace(count, at).entry
    return entry.free_traces, format_nanos(-entry.amount)


@pytest.mark.parametrize(
    ("counts", "answers"),
    [
        pytest.param([10], [(10, "0")], id="exactly the included ones"),
        pytest.param([11], [(10, "0.002")], id="one beyond"),
        pytest.param([4, 6, 1], [(4, "0"), (6, "0"), (0, "0.002")], id="one by one"),
        pytest.param([9, 3], [(9, "0"), (1, "0.004")], id="across the border"),
        pytest.param([1_000_000], [(10, "1999.98")], id="many at once"),
    ],
)
def test_traces_beyond_the_package_are_charged(counts: list[int], answers: list[tuple[int, str]]) -> None:
    story = Story()
    assert [_charge(story, count) for count in counts] == answers


@pytest.mark.parametrize(
    ("first", "second", "free"),
    [
        pytest.param("2026-11-01T00:00:00Z", "2026-11-30T23:59:59.999Z", 0, id="first and last moment of one month"),
        pytest.param("2026-11-30T23:59:59.999Z", "2026-12-01T00:00:00Z", 10, id="next month"),
        pytest.param("2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z", 10, id="next year"),
        pytest.param("2026-11-15T00:00:00Z", "2027-11-15T00:00:00Z", 10, id="the same month of another year"),
        pytest.param("2028-02-28T12:00:00Z", "2028-02-29T12:00:00Z", 0, id="a leap day"),
        pytest.param("2026-12-01T00:00:00Z", "2026-11-30T23:59:59Z", 0, id="a clock that runs backwards"),
    ],
)
def test_the_included_traces_are_of_a_utc_calendar_month(first: str, second: str, free: int) -> None:
    story = Story()
    story.trace(10, first)
    assert _charge(story, 10, second)[0] == free


def test_free_traces_of_the_month_count_against_a_larger_package() -> None:
    story = Story()
    story.trace(10)
    story.apply("account.package_changed", package="pro")
    assert _charge(story, 95) == (90, "0.01")


def test_a_smaller_package_has_nothing_left_and_takes_nothing_back() -> None:
    story = Story()
    story.apply("account.opened", package="pro")
    story.trace(50)
    story.apply("account.package_changed", package="free")
    assert _charge(story, 1) == (0, "0.002")


def test_a_package_that_left_the_book_includes_nothing() -> None:
    without = wire_of(version=2, packages=[{"name": "pro", "included_traces": 100}], default_package="pro")
    story = Story(book_of(Published(wire_of(), 0), Published(without, 1_000)), at="1970-01-01T00:00:10Z")
    assert _charge(story, 1) == (1, "0")
    assert _charge(story, 1, "1970-01-02T00:00:00Z") == (0, "0.002")


def test_the_trace_price_is_rounded_once_for_all_traces_of_an_event() -> None:
    story = Story(plain_book(trace_price="0.0000000004", packages=[{"name": "free", "included_traces": 0}]))
    assert _charge(story, 1) == (0, "0")
    assert _charge(story, 5) == (0, "0.000000002")
