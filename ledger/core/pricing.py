"""What a purchase costs in a currency, and what a refund or a dispute returns of it. In integers.

A purchase is charged credits × rate, and the tax on it. Each part is rounded once, half to even, to the currency's
minor unit. The tax is computed from the rounded amount, so that a reader of the invoice can check it.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from ledger.core.errors import AmountIsZero, ExceedsPurchase, LedgerError
from ledger.core.rating import round_half_even
from ledger.core.taxes import tax_on
from schemas.money import ATTO_DIGITS, NANO_DIGITS, parse_attos

# ISO 4217; every other currency has two digits.
_MINOR_DIGITS = dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"), 0)
_MINOR_DIGITS |= dict.fromkeys(("XAF", "XOF", "XPF"), 0)
_MINOR_DIGITS |= dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)


class NoRateInEffect(LedgerError):
    message = "No exchange rate is in effect yet; one that begins today or earlier is needed"


class Price(NamedTuple):
    """The price of `credits` nanos. `amount_minor`: all that is charged; `tax_minor`: the tax in it.

    `fx_rate`: units of the currency for one credit; `tax_percent`: of what is charged before tax. Both decimal text.
    """

    credits: int
    currency: str
    amount_minor: int
    tax_minor: int
    fx_rate: str
    tax_percent: str


def minor_digits(currency: str) -> int:
    """How many digits a currency has after the point: 2 for USD, 0 for JPY."""
    return _MINOR_DIGITS.get(currency, 2)


def price_of(credits: int, currency: str, fx_rate: str, tax_percent: str = "0") -> Price:
    """The price of `credits` nanos; rate and percent are decimal text. Raises AmountIsZero below one minor unit."""
    units = credits * parse_attos(fx_rate) * 10 ** minor_digits(currency)
    net = round_half_even(units, 10 ** (NANO_DIGITS + ATTO_DIGITS))
    if net == 0:
        raise AmountIsZero(field="credits")
    tax = tax_on(net, tax_percent)
    return Price(credits, currency, net + tax, tax, fx_rate, tax_percent)


def effective_rate(rates: Iterable[tuple[date, str]], today: date) -> str:
    """The rate in effect today, of pairs of a first day (UTC) and a rate. Raises NoRateInEffect."""
    dated = sorted(rates, key=lambda rate: rate[0])
    begun = [rate for since, rate in dated if since <= today]
    if not begun:
        raise NoRateInEffect(f"the first one begins on {dated[0][0]}" if dated else "none is set")
    return begun[-1]


def refund_share(whole: int, amount_minor: int, before_minor: int, refund_minor: int) -> int:
    """The part of `whole` that a refund of `refund_minor` returns, of a payment of `amount_minor`.

    `whole`: the purchase's credits in nanos, or its tax in minor units. `before_minor`: what earlier refunds returned.
    Refunds of the whole payment, in one or in several parts, return exactly `whole`. Raises ExceedsPurchase.
    """
    after_minor = before_minor + refund_minor
    if after_minor > amount_minor:
        raise ExceedsPurchase(field="charged.amount_minor")
    share_before = round_half_even(whole * before_minor, amount_minor)
    return round_half_even(whole * after_minor, amount_minor) - share_before


def disputed_share(credits: int, amount_minor: int, disputed_minor: int, left: int) -> int:
    """The credits that a dispute of `disputed_minor` debits: in proportion, and never more than is left."""
    return min(round_half_even(credits * disputed_minor, amount_minor), left)


def refund_minor(credits: int, amount_minor: int, left_minor: int, given_back: int) -> int:
    """The money that is paid back for `given_back` credits: in proportion, and never more than is left."""
    return min(round_half_even(amount_minor * given_back, credits), left_minor)
