"""Amounts, times and names in a customer's notation. ledger/reports/amounts.py decides which digits are shown."""

import copy
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import NumberFormatError, NumberPattern, format_decimal, format_percent, parse_decimal
from pydantic import TypeAdapter

from ledger.core.pricing import minor_digits
from ledger.reports.amounts import Figure, amount_figure, balance_figure
from schemas.fields import LocaleTag

USUAL_LOCALE = "en-US"
# Browsers may name any tag that has the right form; customers use few.
_KEPT = 1024
_TAG: TypeAdapter[str] = TypeAdapter(LocaleTag)


class Display(NamedTuple):
    """One customer's notation. `locale`: BCP 47, one that Babel knows; `zone`: IANA's name."""

    locale: str
    zone: str

    def balance(self, nanos: int) -> str:
        """A balance: "$12.34", "< $0.01", "$0.50 owed"."""
        figure = balance_figure(nanos)
        return f"{self._figure(figure._replace(sign=''))}{' owed' if figure.sign else ''}"

    def amount(self, nanos: int, activity: str) -> str:
        """An amount with its sign, as the history shows it."""
        return self._figure(amount_figure(nanos, activity))

    def spent(self, nanos: int) -> str:
        """What was spent, in cents, rounded up: never less than it was."""
        return self.money("USD", -(-nanos // 10_000_000))

    def money(self, currency: str, minor: int) -> str:
        """Money of a paying currency, with all its digits."""
        digits = minor_digits(currency)
        return _currency(self.locale, currency, digits, Decimal(minor).scaleb(-digits))

    def number(self, number: int) -> str:
        """A count."""
        return str(format_decimal(number, locale=_parsed(self.locale)))

    def quantity(self, text: str) -> str:
        """A count as plain decimal text, such as seconds with a fraction."""
        return str(format_decimal(Decimal(text), locale=_parsed(self.locale), decimal_quantization=False))

    def percent(self, rate: str) -> str:
        """A markup: 0.1 is 10 %."""
        return str(format_percent(Decimal(rate), locale=_parsed(self.locale), decimal_quantization=False))

    def tax(self, percent: str) -> str:
        """A tax rate: 18 is 18 %."""
        return self.percent(str(Decimal(percent).scaleb(-2)))

    def price(self, attos: int) -> str:
        """A price of the book, exact."""
        return self.exact(str(Decimal(attos).scaleb(-18)))

    def exact(self, text: str, currency: str = "USD") -> str:
        """Plain decimal text as money with all its digits, at least two: "$0.0011"."""
        figure = Decimal(text).normalize()
        return _currency(self.locale, currency, max(2, -int(figure.as_tuple().exponent)), figure)

    def dollars(self, text: str) -> str:
        """Whole dollars to choose from: "$25"."""
        return _currency(self.locale, "USD", 0, Decimal(text))

    def day(self, day: date) -> str:
        """A day: "Nov 21, 2026"."""
        return str(format_date(day, "medium", locale=_parsed(self.locale)))

    def short_day(self, day: date) -> str:
        """A day below a chart: "Nov 21"."""
        return str(format_date(day, "MMM d", locale=_parsed(self.locale)))

    def local_day(self, moment: datetime) -> str:
        """The day of a moment where the customer is."""
        return self.day(moment.astimezone(ZoneInfo(self.zone)).date())

    def clock(self, moment: datetime) -> str:
        """The time of a moment where the customer is."""
        return str(format_time(moment, "medium", tzinfo=ZoneInfo(self.zone), locale=_parsed(self.locale)))

    def moment(self, moment: datetime) -> str:
        """Day and time of a moment where the customer is."""
        return str(format_datetime(moment, "medium", tzinfo=ZoneInfo(self.zone), locale=_parsed(self.locale)))

    def typed(self, text: str) -> str:
        """Plain decimal text as the customer would type it."""
        return str(
            format_decimal(
                Decimal(text), locale=_parsed(self.locale), decimal_quantization=False, group_separator=False
            )
        )

    def read_amount(self, text: str) -> str | None:
        """Plain decimal text of an amount that a customer typed, such as "$1,000" or "12,50 $"; None for no number."""
        typed = text.replace("$", "").replace("\u00a0", " ").strip()
        try:
            read = parse_decimal(typed, locale=_parsed(self.locale), strict=True)
        except NumberFormatError:
            return None
        # parse_decimal takes "1e3" and "Infinity", too.
        return f"{read:f}" if typed[:1].isdigit() and read.is_finite() and "e" not in typed.lower() else None

    def first_moment(self, day: date) -> datetime:
        """When a day begins where the customer is."""
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def _figure(self, figure: Figure) -> str:
        number = Decimal(figure.units).scaleb(-figure.digits)
        text = _currency(self.locale, "USD", figure.digits, number)
        return f"{figure.sign.replace('-', '−')}{'< ' if figure.below else ''}{text}"


def locale_of(said: str | None, accepted: str) -> str:
    """The profile's locale, else the first of an Accept-Language header that Babel can write money in."""
    for tag in (*([said] if said else []), *_preferred(accepted)):
        try:
            return str(Locale.parse(_TAG.validate_python(tag).replace("-", "_"))).replace("_", "-")
        except (UnknownLocaleError, ValueError):
            continue
    return USUAL_LOCALE


def _preferred(accepted: str) -> Iterable[str]:
    """Browsers name them in the order of preference."""
    return (part.partition(";")[0].strip() for part in accepted.split(",")[:5] if part.strip() not in ("", "*"))


@lru_cache(_KEPT)
def _parsed(locale: str) -> Locale:
    return Locale.parse(locale.replace("-", "_"))


def _currency(locale: str, currency: str, digits: int, number: Decimal) -> str:
    pattern = _pattern(locale, digits)
    return str(pattern.apply(number, _parsed(locale), currency=currency, currency_digits=False))


@lru_cache(_KEPT)
def _pattern(locale: str, digits: int) -> NumberPattern:
    # Babel rounds to the digits of the currency, or drops zeros; charges are always shown with six digits.
    pattern: NumberPattern = copy.copy(_parsed(locale).currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    return pattern
