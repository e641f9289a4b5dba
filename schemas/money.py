"""Money as integers: decimal text from outside becomes a whole number of a named unit, or an error; never a float.

Units: a *nano* is 10⁻⁹ credit and holds every amount and balance; an *atto* is 10⁻¹⁸ credit and holds exact costs and
prices before they are rounded, once, to nanos. 1 credit = 1.00 USD.
"""

from typing import Annotated

from schemas.fields import matching

NANO_DIGITS = 9
ATTO_DIGITS = 18
NANOS_PER_CREDIT: int = 10**NANO_DIGITS
ATTOS_PER_CREDIT: int = 10**ATTO_DIGITS
ATTOS_PER_NANO: int = 10 ** (ATTO_DIGITS - NANO_DIGITS)
NANOS_PER_CENT = NANOS_PER_CREDIT // 100

# Nine digits before the point keep a nano amount inside a signed 64-bit integer with room to add several.
_UNSIGNED = r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,%d})?"
_FORM = "decimal text below 1,000,000,000, without exponent, with at most %d digits after the point"

Credits = Annotated[str, matching(f"^{_UNSIGNED % NANO_DIGITS}$", f"zero or more credits: {_FORM % NANO_DIGITS}")]
SignedCredits = Annotated[str, matching(f"^-?{_UNSIGNED % NANO_DIGITS}$", f"credits: {_FORM % NANO_DIGITS}")]
Cost = Annotated[str, matching(f"^{_UNSIGNED % ATTO_DIGITS}$", f"zero or more: {_FORM % ATTO_DIGITS}")]


def parse_nanos(text: str) -> int:
    """Nanos of a decimal text that already fits `Credits` or `SignedCredits`."""
    return _scaled(text, NANO_DIGITS)


def parse_attos(text: str) -> int:
    """Attos of a decimal text that already fits `Cost`."""
    return _scaled(text, ATTO_DIGITS)


def format_nanos(nanos: int) -> str:
    """The shortest plain decimal text of an amount in nanos: 1_500_000_000 → "1.5"."""
    whole, rest = divmod(abs(nanos), NANOS_PER_CREDIT)
    fraction = f".{rest:0{NANO_DIGITS}}".rstrip("0") if rest else ""
    return f"{'-' if nanos < 0 else ''}{whole}{fraction}"


def format_attos(attos: int) -> str:
    """The shortest plain decimal text of an exact cost or price in attos."""
    whole, rest = divmod(attos, 10**ATTO_DIGITS)
    return f"{whole}.{rest:0{ATTO_DIGITS}}".rstrip("0") if rest else str(whole)


def _scaled(text: str, digits: int) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(digits, "0"))
