"""What a router's operator watches: how much waits, for how long, what was refused, whether delivery works."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ledger.client.delivery import Delivery
from ledger.client.grace import Grace


class Metrics(Collector):
    """Register it with a registry of prometheus_client, once per process."""

    def __init__(self, delivery: Delivery, grace: Grace) -> None:
        self._delivery, self._grace = delivery, grace

    def collect(self) -> Iterator[Metric]:
        """As of now."""
        of = self._delivery
        yield GaugeMetricFamily("ledger_client_waiting_events", "Events in the spool.", of.depth)
        yield GaugeMetricFamily("ledger_client_oldest_seconds", "Age of the oldest of them.", of.oldest_seconds)
        yield GaugeMetricFamily("ledger_client_rejected_events", "Events that are set aside.", of.refused_count)
        yield CounterMetricFamily("ledger_client_delivered", "Events that the ledger took.", of.delivered_total)
        yield CounterMetricFamily("ledger_client_rejected", "Events that the ledger refused.", of.refused_total)
        yield CounterMetricFamily("ledger_client_failures", "Attempts that failed.", of.failures_total)
        let_through = self._grace.granted_total
        yield CounterMetricFamily("ledger_client_let_through", "Requests that ran without a hold.", let_through)
