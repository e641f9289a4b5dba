"""Times on the command line: date, time and offset from UTC, in one form for all commands."""

from datetime import datetime

from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError


class InvalidTime(LedgerError):
    message = "A time is a date and time with its offset from UTC, such as 2026-12-01T00:00:00Z"


def time_of(text: str, field: str) -> datetime:
    """The time that an option names. Raises InvalidTime."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidTime(field=field) from None
    if found.tzinfo is None:
        raise InvalidTime(field=field)
    return found


def log_time_of(text: str, field: str) -> int:
    """As `time_of`, in milliseconds since 1970. Raises InvalidTime."""
    return ms_of(time_of(text, field))
