"""Moments on the command line: ISO 8601 with a zone, or a date, which is its first moment in UTC."""

from datetime import UTC, date, datetime

import typer


def moment(text: str) -> datetime:
    """The moment that a text says. Raises typer.BadParameter."""
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no moment; write 2026-11-21T10:00:00Z or 2026-11-21") from None
    if found.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone; write {text}Z for UTC")
    return found
