"""The pause before an ended process is restarted: longer each time, until a process has run for a minute."""

SECONDS_MIN = 1.0
SECONDS_MAX = 30.0
HEALTHY_SECONDS = 60.0


class Backoff:
    """The pauses of one process."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def after(self, ran_seconds: float) -> float:
        """The pause in seconds, after a run of `ran_seconds`."""
        first = not self._seconds or ran_seconds > HEALTHY_SECONDS
        self._seconds = SECONDS_MIN if first else min(self._seconds * 2, SECONDS_MAX)
        return self._seconds
