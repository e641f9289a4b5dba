"""The statement: which entries a customer's history shows, under which type, in which words and figures.

Everything here is for people and for display; nothing is parsed back or computed with.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from ledger.core.pricing import minor_digits
from schemas.money import ATTO_DIGITS, NANOS_PER_CENT

CHECKOUT, DEDUCTION, MANUAL = "checkout", "deduction", "manual"

# What is not here, such as a top-up policy or an invoice, moves no credits and is no line of the history.
ACTIVITY: dict[str, str] = {
    "usage.recorded": DEDUCTION,
    "trace.recorded": DEDUCTION,
    "credits.purchased": CHECKOUT,
    "credits.refunded": MANUAL,
    "dispute.opened": MANUAL,
    "dispute.closed": MANUAL,
    "credits.adjusted": MANUAL,
}
PURCHASES: dict[str, str] = {"purchase": "Purchase", "auto_top_up": "Auto Top-up"}

_NANOS_PER_MICRO = 1000
_SYMBOLS = {"USD": "$", "INR": "₹", "EUR": "€", "GBP": "£", "JPY": "¥"}


def event_types(activity: str | None = None) -> tuple[str, ...]:
    """The types of events that are lines of the history, all of them or those of one activity type."""
    return tuple(kind for kind, shown in ACTIVITY.items() if activity in (None, shown))


def purchase_kind(label: str) -> str | None:
    """The kind of purchase that the purchases view calls so."""
    return next((kind for kind, shown in PURCHASES.items() if shown == label), None)


def description(event_type: str, facts: Mapping[str, Any]) -> str:
    """One line about an entry, for the customer. `facts`: the event's data, and `free_traces` of a trace's entry."""
    return _DESCRIPTIONS[event_type](facts)


class Figure(NamedTuple):
    """What is shown of an amount, in whatever notation: so many units with so many digits after the point.

    `below`: it is less than one unit, and not nothing.
    """

    sign: Literal["", "+", "-"]
    units: int
    digits: int
    below: bool = False


def balance_figure(nanos: int) -> Figure:
    """A balance, floored to the cent; what is negative is owed."""
    if 0 < nanos < NANOS_PER_CENT:
        return Figure("", 1, 2, below=True)
    return Figure("-" if nanos < 0 else "", abs(nanos // NANOS_PER_CENT), 2)


def amount_figure(nanos: int, activity: str = MANUAL) -> Figure:
    """An amount with its sign: charges with six digits, others in cents when they are whole ones."""
    sign: Literal["", "+", "-"] = "-" if nanos < 0 else "+" if nanos > 0 else ""
    size = abs(nanos)
    if activity != DEDUCTION and size % NANOS_PER_CENT == 0:
        return Figure(sign, size // NANOS_PER_CENT, 2)
    if 0 < size < _NANOS_PER_MICRO:
        return Figure(sign, 1, 6, below=True)
    return Figure(sign, (size + _NANOS_PER_MICRO // 2) // _NANOS_PER_MICRO, 6)


def balance_text(nanos: int) -> str:
    """A balance, floored to the cent: "$12.34"; "< $0.01" while above zero; "$0.50 owed" when negative."""
    figure = balance_figure(nanos)
    return f"{'< ' if figure.below else ''}${_grouped(figure.units, figure.digits)}{' owed' if figure.sign else ''}"


def amount_text(nanos: int, activity: str = MANUAL) -> str:
    """An amount with its sign: "-$0.001375", "+$12.00"; "-< $0.000001" for what no six digits show."""
    figure = amount_figure(nanos, activity)
    return f"{figure.sign}{'< ' if figure.below else ''}${_grouped(figure.units, figure.digits)}"


def days_left(available: int, spent: int, days: int) -> int | None:
    """For how many whole days it lasts when so much is spent in so many days; None when nothing is."""
    return max(available, 0) * days // spent if spent > 0 else None


def money_text(currency: str, minor: int) -> str:
    """Money at a provider: "₹850", "$12.50", "CHF 9.90", "-$3"; zeros after the point are left out."""
    text = full_money_text(currency, minor)
    whole, _, fraction = text.partition(".")
    return text if fraction.strip("0") else whole


def full_money_text(currency: str, minor: int) -> str:
    """The same with all digits of the currency: "$12.00"."""
    digits = minor_digits(currency)
    sign = "-" if minor < 0 else ""
    return f"{sign}{_SYMBOLS.get(currency, currency + ' ')}{_grouped(abs(minor), digits)}"


def money_decimal(currency: str, minor: int) -> str:
    """The same as a plain decimal number of the currency: "-1234.50"."""
    digits = minor_digits(currency)
    return f"{'-' if minor < 0 else ''}{_grouped(abs(minor), digits).replace(',', '')}"


def format_attos(attos: int) -> str:
    """The shortest plain decimal text of an exact cost or price in attos."""
    whole, rest = divmod(attos, 10**ATTO_DIGITS)
    return f"{whole}.{rest:0{ATTO_DIGITS}}".rstrip("0") if rest else str(whole)


def _usage(facts: Mapping[str, Any]) -> str:
    tokens = f"{facts['input_tokens']:,} input and {facts['output_tokens']:,} output tokens"
    return f"{facts['provider']}/{facts['model']}, {facts['mode']} mode: {tokens}"


def _trace(facts: Mapping[str, Any]) -> str:
    count, free = facts["count"], facts.get("free_traces") or 0
    return f"{count:,} trace{'' if count == 1 else 's'}, {free:,} of them included"


def _purchase(facts: Mapping[str, Any]) -> str:
    if facts.get("description"):
        return str(facts["description"])
    name = "Auto top-up" if facts["kind"] == "auto_top_up" else "Credit top-up"
    return f"{name} via {_provider(facts)} ({_charged(facts)})"


def _refund(facts: Mapping[str, Any]) -> str:
    return f"Refund of purchase {facts['purchase_id']} ({_charged(facts)})"


def _dispute_opened(facts: Mapping[str, Any]) -> str:
    return f"Dispute of purchase {facts['purchase_id']} opened"


def _dispute_closed(facts: Mapping[str, Any]) -> str:
    return f"Dispute of purchase {facts['purchase_id']} {facts['outcome']}"


def _adjustment(facts: Mapping[str, Any]) -> str:
    return f"Adjustment: {str(facts['reason_code']).replace('_', ' ')}"


_DESCRIPTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "usage.recorded": _usage,
    "trace.recorded": _trace,
    "credits.purchased": _purchase,
    "credits.refunded": _refund,
    "dispute.opened": _dispute_opened,
    "dispute.closed": _dispute_closed,
    "credits.adjusted": _adjustment,
}


def _provider(facts: Mapping[str, Any]) -> str:
    return str(facts["provider"]).replace("_", " ").title()


def _charged(facts: Mapping[str, Any]) -> str:
    charged = facts["charged"]
    return money_text(charged["currency"], charged["amount_minor"])


def _grouped(units: int, digits: int) -> str:
    """1234567 with two digits: 12,345.67."""
    whole, rest = divmod(units, 10**digits)
    return f"{whole:,}.{rest:0{digits}}" if digits else f"{whole:,}"
