"""What Prometheus may know of the guard of one process."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.guard.guard import Guard


def metrics(guard: Guard) -> Iterator[Metric]:
    """Whether this process writes to the log; both series are there from the first moment on."""
    closed = GaugeMetricFamily(
        "ledger_writes_closed",
        "1 while this process writes nothing to the log: refused (a person must act), or unavailable.",
        labels=["cause"],
    )
    for cause in ("refused", "unavailable"):
        closed.add_metric([cause], int(guard.closed == cause))
    yield closed


class GuardFigures(Collector):
    """The same for a process that has a registry."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def collect(self) -> Iterator[Metric]:
        """As it is now."""
        return metrics(self._guard)
