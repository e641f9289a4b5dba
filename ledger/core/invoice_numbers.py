"""The number of an invoice: `INV-2627-0000001` is its series, its financial year, and its position in both.

A number has at most 16 characters, which India's rules require.
"""

from datetime import date
from typing import NamedTuple

from ledger.core.errors import EXIT_CONFIG, LedgerError

_POSITION_DIGITS = 7


class SeriesFull(LedgerError, exit_code=EXIT_CONFIG):
    message = "A series has no more numbers in this financial year; choose another prefix"


class Place(NamedTuple):
    """A place in a series of a financial year."""

    series: str
    year: str
    position: int


def financial_year(day: date, first_month: int) -> str:
    """The financial year of a day in four digits: "2026" if years begin in January, else both of its years, "2627"."""
    if first_month == 1:
        return f"{day.year:04}"
    begins = day.year if day.month >= first_month else day.year - 1
    return f"{begins % 100:02}{(begins + 1) % 100:02}"


def number_of(place: Place) -> str:
    """The number at a place of a series. Raises SeriesFull."""
    if place.position >= 10**_POSITION_DIGITS:
        raise SeriesFull(f"{place.series}-{place.year}")
    return f"{place.series}-{place.year}-{place.position:0{_POSITION_DIGITS}}"


def place_of(number: str) -> Place:
    """The place that a number made by `number_of` has."""
    series, year, position = number.rsplit("-", 2)
    return Place(series, year, int(position))
