"""Checks a customer's profile: its country, time zone and locale exist, and its e-mail address has the right form.

Countries are those of ISO 3166-1 and Kosovo, time zones those of IANA, locales those that Babel can write money in.
"""

import re
from functools import cache
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from email_validator import EmailNotValidError, validate_email

from ledger.core.errors import LedgerError
from ledger.records.profiles import Profile

# Codes of CLDR that are no countries: groups of states, reserved codes, parts of countries, and codes for tests.
_NO_COUNTRIES = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}


class CountryUnknown(LedgerError):
    message = "There is no such country in ISO 3166-1"


class EmailMalformed(LedgerError):
    message = "This is no e-mail address"


class TimeZoneUnknown(LedgerError):
    message = "There is no such time zone; one is named as Europe/Berlin"


class LocaleUnknown(LedgerError):
    message = "There is no such locale; one is named as en-US"


@cache
def countries() -> dict[str, str]:
    """The English name of every country by its code."""
    named = Locale("en").territories
    return {code: named[code] for code in sorted(named) if re.fullmatch("[A-Z]{2}", code) and code not in _NO_COUNTRIES}


def checked(profile: Profile) -> Profile:
    """The profile with its e-mail and its locale in the usual notation.

    Raises CountryUnknown, EmailMalformed, TimeZoneUnknown or LocaleUnknown.
    """
    if profile.country is not None and profile.country not in countries():
        raise CountryUnknown(field="address.country")
    if profile.time_zone is not None and profile.time_zone not in _time_zones():
        raise TimeZoneUnknown(field="time_zone")
    email, locale = profile.email, profile.locale
    return profile._replace(email=email and _email(email), locale=locale and _locale(locale))


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        # Without the library's message, which may repeat a part of the address, because errors are logged.
        raise EmailMalformed(field="email") from None


def _locale(text: str) -> str:
    try:
        return str(Locale.parse(text.replace("-", "_"))).replace("_", "-")
    except (UnknownLocaleError, ValueError):
        raise LocaleUnknown(field="locale") from None
