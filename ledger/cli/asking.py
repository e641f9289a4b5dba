"""What commands that change something share: they ask first, and take moments in one form."""

import sys
from datetime import datetime
from typing import Annotated

import typer

from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


class NotAsked(LedgerError):
    message = "This is not a terminal, so nobody can be asked; say --yes to do it"


class NotConfirmed(LedgerError):
    message = "Nothing was done"


class NotAMoment(LedgerError):
    message = "A moment is a date and time with its offset from UTC, such as 2026-12-01T00:00:00Z"


def confirm(question: str, *, yes: bool) -> None:
    """Goes on if the answer is yes. Raises NotAsked or NotConfirmed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotAsked()
    if not typer.confirm(question, err=True):
        raise NotConfirmed()


def moment(text: str, field: str) -> datetime:
    """The moment that an option names. Raises NotAMoment."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NotAMoment(field=field) from None
    if found.tzinfo is None:
        raise NotAMoment(field=field)
    return found


def log_time(text: str, field: str) -> int:
    """The same as milliseconds since 1970. Raises NotAMoment."""
    return ms_of(moment(text, field))
