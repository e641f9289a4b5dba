"""The state of one process's guard, for Prometheus."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.guard.guard import Guard


def metrics(guard: Guard) -> Iterator[Metric]:
    """1 while this process writes nothing until a person has acted. The series exists from the start."""
    yield GaugeMetricFamily(
        "ledger_log_refused",
        "1 while this process writes nothing because the log is not the right one.",
        value=guard.closed == "refused",
    )


class GuardMetrics(Collector):
    """These metrics as a collector, for the registry of a process."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def collect(self) -> Iterator[Metric]:
        """The present values."""
        return metrics(self._guard)
