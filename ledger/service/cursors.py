"""Cursors of lists: a client sees an opaque text, which names a place in the list."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ledger.core.calendar import moment_of, ms_of
from ledger.core.errors import LedgerError
from ledger.views.history import END, HistoryPosition

Row = TypeVar("Row")
_SEQ_MAX = 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class InvalidCursor(LedgerError):
    message = "The cursor is not one that a list has given out"


def split(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """Of `limit` + 1 rows: the first `limit`, and the last of these if more follow it."""
    return rows[:limit], rows[limit - 1] if len(rows) > limit else None


def encode(text: str) -> str:
    """A cursor made of a text."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str) -> str:
    """The text that a cursor was made of. Raises InvalidCursor."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise InvalidCursor(field="cursor") from None
    if encode(text) != cursor:
        raise InvalidCursor(field="cursor")
    return text


def place_cursor(place: HistoryPosition) -> str:
    """A cursor for a place in a history."""
    return encode(f"{ms_of(place.log_time)}.{place.seq}")


def place_of(cursor: str) -> HistoryPosition:
    """The place that a cursor of `place_cursor` names. Raises InvalidCursor."""
    time_ms, _, seq = decode(cursor).partition(".")
    if not (time_ms.isdecimal() and seq.isdecimal() and len(time_ms) <= 15 and int(seq) <= _SEQ_MAX):
        raise InvalidCursor(field="cursor")
    if int(time_ms) > ms_of(END):
        raise InvalidCursor(field="cursor")
    return HistoryPosition(moment_of(int(time_ms)), int(seq))


def moment_cursor(moment: datetime, name: str) -> str:
    """A cursor for a place in a list that is ordered by time, and by name where times are equal."""
    return encode(f"{(moment - _EPOCH) // _MICROSECOND}.{name}")


def moment_place(cursor: str) -> tuple[datetime, str]:
    """The time and the name in a cursor of `moment_cursor`; the caller checks the name. Raises InvalidCursor."""
    microseconds, _, name = decode(cursor).partition(".")
    if not microseconds.isdecimal() or len(microseconds) > 17:
        raise InvalidCursor(field="cursor")
    return _EPOCH + int(microseconds) * _MICROSECOND, name
