"""What a purchase costs in a paying currency, and what of it goes back with a refund: pure, in integers.

A purchase is charged credits × rate, and the tax on it. Each part is rounded once, half to even, to the currency's
minor unit; tax is that of the charged amount, so that whoever reads the invoice can compute it again.
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
    """What so many nanos of credit cost. `amount_minor`: all that is charged, `tax_minor` of it tax.

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
    """The price of so many nanos; rate and percent are decimal text. Raises AmountIsZero below one minor unit."""
    units = credits * parse_attos(fx_rate) * 10 ** minor_digits(currency)
    net = round_half_even(units, 10 ** (NANO_DIGITS + ATTO_DIGITS))
    if net == 0:
        raise AmountIsZero(field="credits")
    tax = tax_on(net, tax_percent)
    return Price(credits, currency, net + tax, tax, fx_rate, tax_percent)


def effective_rate(rates: Iterable[tuple[date, str]], today: date) -> str:
    """The rate that began last, among (first day in UTC, rate). Raises NoRateInEffect."""
    dated = sorted(rates, key=lambda rate: rate[0])
    begun = [rate for since, rate in dated if since <= today]
    if not begun:
        raise NoRateInEffect(f"the first one begins on {dated[0][0]}" if dated else "none is set")
    return begun[-1]


def refund_share(whole: int, amount_minor: int, before_minor: int, refund_minor: int) -> int:
    """What of `whole` goes back with one refund of a payment of `amount_minor`, after refunds of `before_minor`.

    `whole`: the purchase's credits in nanos, or its tax in minor units. Refunds of the whole amount give back exactly
    the whole, in whatever parts they come. Raises ExceedsPurchase.
    """
    after_minor = before_minor + refund_minor
    if after_minor > amount_minor:
        raise ExceedsPurchase(field="charged.amount_minor")
    share_before = round_half_even(whole * before_minor, amount_minor)
    return round_half_even(whole * after_minor, amount_minor) - share_before


def disputed_share(credits: int, amount_minor: int, disputed_minor: int, left: int) -> int:
    """What of a purchase's credits a dispute of so much of its money debits: never more than is left of them."""
    return min(round_half_even(credits * disputed_minor, amount_minor), left)


def refund_minor(credits: int, amount_minor: int, left_minor: int, given_back: int) -> int:
    """What is paid back for so many of a purchase's credits: never more than is left of its money."""
    return min(round_half_even(amount_minor * given_back, credits), left_minor)
