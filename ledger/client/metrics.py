"""Metrics of the client for Prometheus: waiting and rejected events, deliveries, failures, calls without a hold."""

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
        """The metrics as they are now."""
        of = self._delivery
        yield GaugeMetricFamily("ledger_client_waiting_events", "Events that wait in the spool.", of.depth)
        yield GaugeMetricFamily("ledger_client_oldest_seconds", "Age of the oldest waiting event.", of.oldest_seconds)
        yield GaugeMetricFamily(
            "ledger_client_rejected_events", "Rejected events that are set aside.", of.rejected_count
        )
        yield CounterMetricFamily("ledger_client_delivered", "Events that the ledger accepted.", of.delivered_total)
        yield CounterMetricFamily("ledger_client_rejected", "Events that the ledger rejected.", of.rejected_total)
        yield CounterMetricFamily("ledger_client_failures", "Deliveries that failed.", of.failures_total)
        granted = self._grace.granted_total
        yield CounterMetricFamily("ledger_client_granted_without_hold", "Calls that ran without a hold.", granted)
