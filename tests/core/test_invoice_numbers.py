"""Numbers of invoices and financial years, as tables."""

from datetime import date

import pytest

from ledger.core.invoice_numbers import Place, SeriesFull, financial_year, number_of, place_of


@pytest.mark.parametrize(
    ("day", "first_month", "year"),
    [
        (date(2026, 1, 1), 1, "2026"),
        (date(2026, 12, 31), 1, "2026"),
        (date(2026, 3, 31), 4, "2526"),
        (date(2026, 4, 1), 4, "2627"),
        (date(2099, 4, 1), 4, "9900"),
        (date(2026, 6, 30), 7, "2526"),
    ],
)
def test_the_financial_year_of_a_day(day: date, first_month: int, year: str) -> None:
    assert financial_year(day, first_month) == year


def test_a_number_has_sixteen_characters_at_most_and_tells_its_place() -> None:
    place = Place("INV", "2627", 9_999_999)
    assert len(number_of(place)) == 16
    assert place_of(number_of(place)) == place
    with pytest.raises(SeriesFull):
        number_of(place._replace(position=10_000_000))
