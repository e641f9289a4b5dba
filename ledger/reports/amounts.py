"""Amounts as people read them: balances, charges, and money at a provider.

Everything here is for display; nothing is parsed back or computed with.
"""

from typing import Literal, NamedTuple

from ledger.core.activity import DEDUCTION, MANUAL
from ledger.core.pricing import minor_digits
from schemas.money import NANOS_PER_CENT

_NANOS_PER_MICRO = 1000
_SYMBOLS = {"USD": "$", "INR": "₹", "EUR": "€", "GBP": "£", "JPY": "¥"}


class Figure(NamedTuple):
    """An amount to show, in any notation: `units` of the last of `digits` digits after the point.

    `below`: the amount is above zero and less than one unit.
    """

    sign: Literal["", "+", "-"]
    units: int
    digits: int
    below: bool = False


def balance_figure(nanos: int) -> Figure:
    """A balance, rounded down to the cent; a negative balance is owed."""
    if 0 < nanos < NANOS_PER_CENT:
        return Figure("", 1, 2, below=True)
    return Figure("-" if nanos < 0 else "", abs(nanos // NANOS_PER_CENT), 2)


def amount_figure(nanos: int, activity: str = MANUAL) -> Figure:
    """An amount with its sign: charges with six digits, other amounts in cents if they are whole cents."""
    sign: Literal["", "+", "-"] = "-" if nanos < 0 else "+" if nanos > 0 else ""
    size = abs(nanos)
    if activity != DEDUCTION and size % NANOS_PER_CENT == 0:
        return Figure(sign, size // NANOS_PER_CENT, 2)
    if 0 < size < _NANOS_PER_MICRO:
        return Figure(sign, 1, 6, below=True)
    return Figure(sign, (size + _NANOS_PER_MICRO // 2) // _NANOS_PER_MICRO, 6)


def balance_text(nanos: int) -> str:
    """A balance, rounded down to the cent: "$12.34"; "< $0.01" while above zero; "$0.50 owed" when negative."""
    figure = balance_figure(nanos)
    return f"{'< ' if figure.below else ''}${_grouped(figure.units, figure.digits)}{' owed' if figure.sign else ''}"


def amount_text(nanos: int, activity: str = MANUAL) -> str:
    """An amount with its sign: "-$0.001375", "+$12.00"; "-< $0.000001" for less than six digits can show."""
    figure = amount_figure(nanos, activity)
    return f"{figure.sign}{'< ' if figure.below else ''}${_grouped(figure.units, figure.digits)}"


def money_text(currency: str, minor: int) -> str:
    """Money at a provider: "₹850", "$12.50", "CHF 9.90", "-$3"; zeros after the point are left out."""
    text = full_money_text(currency, minor)
    whole, _, fraction = text.partition(".")
    return text if fraction.strip("0") else whole


def full_money_text(currency: str, minor: int) -> str:
    """Money at a provider with all digits of the currency: "$12.00"."""
    digits = minor_digits(currency)
    sign = "-" if minor < 0 else ""
    return f"{sign}{_SYMBOLS.get(currency, currency + ' ')}{_grouped(abs(minor), digits)}"


def money_decimal(currency: str, minor: int) -> str:
    """Money at a provider as a plain decimal number of the currency: "-1234.50"."""
    digits = minor_digits(currency)
    return f"{'-' if minor < 0 else ''}{_grouped(abs(minor), digits).replace(',', '')}"


def _grouped(units: int, digits: int) -> str:
    """1234567 with two digits: 12,345.67."""
    whole, rest = divmod(units, 10**digits)
    return f"{whole:,}.{rest:0{digits}}" if digits else f"{whole:,}"
