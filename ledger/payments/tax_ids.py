"""Tax ids of customers: the types of each country, and whether a number is valid; written as Stripe expects it.

The form is checked and, for most types, the check digits; not whether the authority has issued the number.
"""

import re
import unicodedata
from importlib import import_module
from itertools import groupby

from stdnum.exceptions import InvalidChecksum, InvalidComponent, ValidationError

from ledger.core.errors import LedgerError
from ledger.payments.tax_id_types import TYPES, TaxIdType

_SEPARATORS = re.compile(r"[\s./\u2010-\u2015\u2212-]+")  # including dashes of every kind

_BY_COUNTRY = {country: tuple(types) for country, types in groupby(TYPES, key=lambda kind: kind.country)}


class TaxIdCountryUnknown(LedgerError):
    message = "There are no types of tax ids for this country"


class TaxIdTypeUnknown(LedgerError):
    message = "The country has no such type of tax id"


class TaxIdMalformed(LedgerError):
    """`example`: a number of the type's form."""

    message = "The number does not have the form of its type"

    def __init__(self, kind: TaxIdType) -> None:
        self.example = kind.example
        super().__init__(f"{kind.label}, such as {kind.example}", field="value")


class TaxIdCheckDigitWrong(LedgerError):
    message = "The check digit does not fit the rest of the number; a character may be mistyped"


class TaxIdPartUnknown(LedgerError):
    message = "A part of the number stands for something that does not exist, such as a date, a region or a kind"


def countries() -> dict[str, tuple[TaxIdType, ...]]:
    """The types of every country that has any, in alphabetical order; "EU" has the one of the One Stop Shop."""
    return _BY_COUNTRY


def label(country: str, type_: str) -> str:
    """The name of a type, such as "European VAT number". Raises TaxIdCountryUnknown or TaxIdTypeUnknown."""
    return _kind(country, type_).label


def normalised(country: str, type_: str, value: str) -> str:
    """The number as Stripe expects it.

    Raises TaxIdCountryUnknown, TaxIdTypeUnknown, TaxIdMalformed, TaxIdCheckDigitWrong or TaxIdPartUnknown.
    """
    kind = _kind(country, type_)
    # Capitals after the normal form, which makes plain letters and digits of full-width ones.
    plain = _SEPARATORS.sub("", unicodedata.normalize("NFKC", value).upper())
    match = re.fullmatch(kind.pattern, plain, re.ASCII)
    if match is None:
        raise TaxIdMalformed(kind)
    written = match.expand(kind.form)
    checked = match.groupdict().get("checked", written)
    if checked is not None:
        _check(kind, checked)
    return written


def _kind(country: str, type_: str) -> TaxIdType:
    types = _BY_COUNTRY.get(country)
    if types is None:
        raise TaxIdCountryUnknown(field="country")
    for kind in types:
        if kind.type == type_:
            return kind
    raise TaxIdTypeUnknown(f"there are {', '.join(kind.type for kind in types)}", field="type")


def _check(kind: TaxIdType, number: str) -> None:
    failures: list[ValidationError] = []
    for module in kind.checks:
        try:
            import_module(f"stdnum.{module}").validate(number)
            return
        except ValidationError as failure:
            failures.append(failure)
    if failures:
        raise _reason(kind, failures)


def _reason(kind: TaxIdType, failures: list[ValidationError]) -> LedgerError:
    """The most specific failure, where a number may have several forms."""
    if any(isinstance(failure, InvalidChecksum) for failure in failures):
        return TaxIdCheckDigitWrong(field="value")
    if any(isinstance(failure, InvalidComponent) for failure in failures):
        return TaxIdPartUnknown(field="value")
    return TaxIdMalformed(kind)
