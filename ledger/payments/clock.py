"""What time it is, for what waits for hours: tests put it forward."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of everything but tests."""
    return datetime.now(UTC)
