"""The tax on a purchase: its amount, and the parts in which an invoice shows it. Money is in minor units of a currency.

Which rate and which parts apply is in ledger/payments/taxes.py; the parts of India's tax are in ledger/core/gst.py.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from ledger.core.rating import round_half_even
from schemas.money import ATTO_DIGITS, parse_attos


class TaxPart(NamedTuple):
    """A part of the tax as it is printed. `percent`: decimal text; None when no percentage gives this amount."""

    label: str
    percent: str | None
    amount_minor: int


def tax_on(net_minor: int, percent: str) -> int:
    """The tax on a net amount, rounded once, half to even. `percent`: decimal text."""
    return round_half_even(net_minor * parse_attos(percent), 100 * 10**ATTO_DIGITS)


def tax_parts(net_minor: int, tax_minor: int, percent: str, labels: Sequence[str]) -> list[TaxPart]:
    """The tax in equal parts; the first parts get what can't be divided. Without a tax there are no parts."""
    if tax_minor == 0:
        return []
    explains = tax_on(net_minor, percent) == tax_minor
    each = _plain(Decimal(percent) / len(labels)) if explains else None
    return [TaxPart(label, each, amount) for label, amount in zip(labels, _shares(tax_minor, len(labels)), strict=True)]


def returned_parts(parts: Sequence[TaxPart], before_minor: int, tax_minor: int) -> list[TaxPart]:
    """What a refund of `tax_minor` returns of each part, after refunds that returned `before_minor` of the tax.

    Refunds of the whole tax return each part as it was charged, and at no time more than that.
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
