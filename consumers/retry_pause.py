"""The pause before a retry while Kafka, Postgres or a provider is away: longer each time, logged once at each end."""

import threading

import structlog

_SECONDS_MIN = 0.5
_SECONDS_MAX = 4.0

log = structlog.get_logger()


class RetryPause:
    """The pauses of one consumer. `stopping` ends every wait."""

    def __init__(self, who: str, stopping: threading.Event) -> None:
        self._who, self._stopping = who, stopping
        self._seconds = 0.0

    def wait(self, error: Exception) -> None:
        """Waits before the next attempt; logs the error of the first one."""
        if not self._seconds:
            log.warning("waiting", consumer=self._who, error=type(error).__name__, reason=str(error))
        self._seconds = min(max(self._seconds * 2, _SECONDS_MIN), _SECONDS_MAX)
        self._stopping.wait(self._seconds)

    def reset(self) -> None:
        """Called after a success: the next pause is short again."""
        if self._seconds:
            log.info("working_again", consumer=self._who)
            self._seconds = 0.0
