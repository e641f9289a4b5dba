"""Metrics for Prometheus: requests, counted as they happen, and the state of the ledger at the moment of the question.

Processes behind one port count in files of a shared folder, so that each of them can answer for all.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from ledger.gate.metrics import CAUSES, HoldFigures, UncoveredCharges
from ledger.views.progress import OUTCOMES, UNREADABLE, Outbox, Progress, RecordCount
from ledger.views.quarantine import Waiting
from schemas.events import EVENT_TYPES

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's: set before it is imported
# Series begin at zero: no alarm sees the increase of one that begins with the first failure.
_OUTCOMES = ("granted", "refused", "repeated", "projection_behind", "gate_unavailable", "failed")
_FAILURES = ("500", "503")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class RequestMetrics:
    """Counts requests by route, method and status, and decisions of the gate by outcome."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        seconds = Histogram(
            "ledger_http_request_seconds",
            "Time to answer an HTTP request.",
            ("route", "method", "status"),
            registry=self._registry,
            buckets=_BUCKETS,
        )
        decisions = Histogram(
            "ledger_gate_decision_seconds",
            "Time from asking the gate to its decision.",
            ("outcome",),
            registry=self._registry,
            buckets=_BUCKETS,
        )
        # By their labels. prometheus_client's own look-up checks and formats them each time, which takes longer than
        # counting.
        self._seconds, self._decisions = cache(seconds.labels), cache(decisions.labels)
        for outcome in _OUTCOMES:
            self._decisions(outcome)
        self._failures = Counter(
            "ledger_http_failures", "Requests answered with a status of 5xx.", ("status",), registry=self._registry
        )
        for status in _FAILURES:
            self._failures.labels(status)

    def decided(self, outcome: str, seconds: float) -> None:
        """Counts one decision: granted, refused, repeated, or the code of an error."""
        self._decisions(outcome).observe(seconds)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts one request."""
        self._seconds(route, method, str(status)).observe(seconds)
        if status >= 500:
            self._failures.labels(str(status)).inc()

    def exposition(self) -> bytes:
        """The counts of all processes behind the port, in Prometheus' text format."""
        if FOLDER_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


class Stored(NamedTuple):
    """Figures that only Postgres has."""

    record_counts: Sequence[RecordCount]
    outbox: Outbox
    quarantine: Waiting
    gate: HoldFigures
    payments: Iterable[Metric]


def exposition(
    requests: RequestMetrics,
    postgres_up: bool,
    progress: Sequence[Progress],
    writable: bool,
    guard: Iterable[Metric],
    stored: Stored | None,
) -> bytes:
    """The metrics in Prometheus' text format."""
    up = GaugeMetricFamily("ledger_postgres_up", "Whether Postgres answers.", value=postgres_up and stored is not None)
    ledger = [up, *_progress(progress), _log(writable), *guard]
    if stored is not None:
        ledger += [_record_counts(stored.record_counts), *_outbox(stored.outbox), *_quarantine(stored.quarantine)]
        ledger += [*_gate(stored.gate), *stored.payments]
    state = CollectorRegistry()
    state.register(_Collector(ledger))
    return requests.exposition() + generate_latest(state)


class _Collector:
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


def _progress(progress: Sequence[Progress]) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "ledger_projected_through_age_seconds", "How far the views are behind, in time.", labels=["partition"]
    )
    lag = GaugeMetricFamily(
        "ledger_projection_lag_records", "Records that are not folded yet, as of the last look.", labels=["partition"]
    )
    waiting = GaugeMetricFamily(
        "ledger_projection_waiting_seconds",
        "How long the partition has waited for a transaction to end, or for a decision about what can't be read.",
        labels=["partition", "for"],
    )
    now = time.time()
    for row in progress:
        since = row.waits_since.timestamp() if row.waits_since else now
        for what in ("transaction", "unreadable"):
            waiting.add_metric([str(row.partition), what], max(now - since, 0) if row.waits_for == what else 0)
        through = row.through.timestamp() if row.through else float("-inf")  # never true yet: infinitely old
        age.add_metric([str(row.partition)], max(now - through, 0))
        lag.add_metric([str(row.partition)], lag_of(row))
    yield age
    yield lag
    yield waiting


def lag_of(row: Progress) -> int:
    """Records of a partition that a projector has seen and not folded."""
    return max((row.log_end or 0) - row.next_offset, 0)


def _record_counts(record_counts: Sequence[RecordCount]) -> Metric:
    records = CounterMetricFamily(
        "ledger_records", "Records of ledger.events by what became of them.", labels=["type", "outcome"]
    )
    found = {(row.type, row.outcome): row.records for row in record_counts}
    shown = {*found, *product((*EVENT_TYPES, UNREADABLE), OUTCOMES)}
    for kind, outcome in sorted(shown):
        records.add_metric([kind, outcome], found.get((kind, outcome), 0))
    return records


def _log(writable: bool) -> Metric:
    return GaugeMetricFamily(
        "ledger_log_writable", "1 while what this process appends to ledger.events is acknowledged.", value=writable
    )


def _outbox(outbox: Outbox) -> Iterator[Metric]:
    yield GaugeMetricFamily("ledger_outbox_waiting", "Messages that are not published yet.", value=outbox.waiting)
    yield GaugeMetricFamily(
        "ledger_outbox_oldest_seconds", "Age of the oldest of them; 0 without any.", value=outbox.oldest_seconds
    )
    yield GaugeMetricFamily(
        "ledger_outbox_refused", "Those of them that Kafka refuses, by their size for instance.", value=outbox.refused
    )


def _quarantine(quarantine: Waiting) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "ledger_quarantine_waiting", "Usage that was kept aside and waits for an operator.", value=quarantine.waiting
    )
    yield GaugeMetricFamily(
        "ledger_quarantine_oldest_seconds", "Age of the oldest; 0 without any.", value=quarantine.oldest_seconds
    )


def _gate(gate: HoldFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily("ledger_holds_open", "Holds that have not ended.", value=gate.open_holds)
    yield GaugeMetricFamily("ledger_held_nanos", "What they hold, in 10⁻⁹ credit.", value=gate.held)
    charges = CounterMetricFamily(
        "ledger_uncovered_charges", "Charges that no hold covers, or not all of, by cause.", labels=["cause"]
    )
    nanos = CounterMetricFamily(
        "ledger_uncovered_nanos", "What of them no hold covers, in 10⁻⁹ credit; bounds all overdraft.", labels=["cause"]
    )
    found = {row.cause: row for row in gate.uncovered}
    for cause in sorted({*found, *CAUSES}):
        row = found.get(cause, UncoveredCharges(cause, 0, 0))
        charges.add_metric([cause], row.charges)
        nanos.add_metric([cause], row.nanos)
    yield charges
    yield nanos
