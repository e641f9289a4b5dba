"""UTC days and months of the log's clock, in whole milliseconds since 1970; no time zone, no float, no now()."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from ledger.core.errors import NotAMonth

DAY_MS = 86_400_000
_MONTH = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()


def day_of(time_ms: int) -> int:
    """Days since 1970-01-01, UTC."""
    return time_ms // DAY_MS


def month_of(time_ms: int) -> int:
    """The UTC calendar month as yyyymm."""
    return _month_of_day(time_ms // DAY_MS)


def counted_in(current: int, period: int, count: int) -> int:
    """A count of the current day or month: `count` if its `period` is the current one, else 0."""
    return count if period == current else 0


def next_day_ms(time_ms: int) -> int:
    """When the next UTC day begins."""
    return (day_of(time_ms) + 1) * DAY_MS


def next_month_ms(time_ms: int) -> int:
    """When the next UTC calendar month begins."""
    day = date_of(day_of(time_ms)).replace(day=28) + timedelta(days=4)
    return (day.replace(day=1).toordinal() - _EPOCH_ORDINAL) * DAY_MS


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """The first moments of a UTC month, "2026-11", and of the one after it. Raises NotAMonth."""
    if not _MONTH.fullmatch(month):
        raise NotAMonth(field="month")
    first = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)
    return first, moment_of(next_month_ms(ms_of(first)))


def date_of(day: int) -> date:
    """The date of a number of days since 1970-01-01."""
    return date.fromordinal(_EPOCH_ORDINAL + day)


def moment_of(time_ms: int) -> datetime:
    """The aware datetime of a log time."""
    return _EPOCH + timedelta(milliseconds=time_ms)


def utc_text(moment: datetime) -> str:
    """A moment in UTC as JSON has it: "2026-11-21T10:00:00.123000Z"."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def log_time_text(moment: datetime) -> str:
    """A moment of the log, which counts milliseconds: "2026-11-21T10:00:00.123Z", always as wide."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms_of(moment: datetime) -> int:
    """The log time of an aware datetime, rounded down to the millisecond."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=64)
def _month_of_day(day: int) -> int:
    at = date_of(day)
    return at.year * 100 + at.month
