"""Invoices in numbers: series, financial years, and the tax that was charged in its parts. Pure, in integers.

A number is `INV-2627-0000001`: series, financial year, position; at most 16 characters, as India's rules ask.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.core.rating import round_half_even
from schemas.money import ATTO_DIGITS, parse_attos

_POSITION_DIGITS = 7


class SeriesFull(LedgerError, exit_code=EXIT_CONFIG):
    message = "A series has no more numbers in this financial year; choose another prefix"


class Place(NamedTuple):
    """A place in a series of a financial year."""

    series: str
    year: str
    position: int


class TaxPart(NamedTuple):
    """A part of the tax as it is printed. `percent`: decimal text; None when no percentage gives this amount."""

    label: str
    percent: str | None
    amount_minor: int


def financial_year(day: date, first_month: int) -> str:
    """Four digits: "2026" for years that begin in January, else the years that it lies in, "2627"."""
    if first_month == 1:
        return f"{day.year:04}"
    begins = day.year if day.month >= first_month else day.year - 1
    return f"{begins % 100:02}{(begins + 1) % 100:02}"


def number_of(place: Place) -> str:
    """The number of a place. Raises SeriesFull."""
    if place.position >= 10**_POSITION_DIGITS:
        raise SeriesFull(f"{place.series}-{place.year}")
    return f"{place.series}-{place.year}-{place.position:0{_POSITION_DIGITS}}"


def place_of(number: str) -> Place:
    """The place of a number that `number_of` made."""
    series, year, position = number.rsplit("-", 2)
    return Place(series, year, int(position))


def tax_parts(net_minor: int, tax_minor: int, percent: str, labels: Sequence[str]) -> list[TaxPart]:
    """The tax in equal parts, the first with what can't be divided. Without a tax there are none."""
    if tax_minor == 0:
        return []
    explains = round_half_even(net_minor * parse_attos(percent), 100 * 10**ATTO_DIGITS) == tax_minor
    each = _plain(Decimal(percent) / len(labels)) if explains else None
    return [TaxPart(label, each, amount) for label, amount in zip(labels, _shares(tax_minor, len(labels)), strict=True)]


def returned_parts(parts: Sequence[TaxPart], before_minor: int, tax_minor: int) -> list[TaxPart]:
    """What goes back of such parts with so much of the tax, after `before_minor` of it went back already.

    Over all refunds of the whole tax that is each part as it was charged, and never more in between.
    """
    before, after = (_shares(amount, len(parts)) for amount in (before_minor, before_minor + tax_minor))
    return [part._replace(amount_minor=now - then) for part, then, now in zip(parts, before, after, strict=True)]


def _shares(amount: int, count: int) -> list[int]:
    if count == 0:
        return []
    each, rest = divmod(amount, count)
    return [each + (1 if place < rest else 0) for place in range(count)]


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
