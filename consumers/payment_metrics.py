"""The metrics of payment alerts in `ledger consume`, read from Postgres when Prometheus asks."""

from collections.abc import Iterator, Sequence
from threading import Timer

import psycopg
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.payments.payment_alerts import Row, metrics
from ledger.postgres.connections import connect, interrupt
from ledger.postgres.kinds import FIGURES
from ledger.postgres.release import OtherRelease
from ledger.records.payment_alerts import SQL

_ANSWER_SECONDS = 3


class PaymentMetrics(Collector):
    """While Postgres is away, `ledger_postgres_up` is 0 and the metrics of payment alerts are missing."""

    def __init__(self, database: str) -> None:
        self._database = database

    def describe(self) -> list[Metric]:
        """Empty, so that registering this collector does not ask Postgres."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read anew each time."""
        rows = self._rows()
        yield GaugeMetricFamily("ledger_postgres_up", "Whether Postgres answers.", value=rows is not None)
        yield from metrics(rows) if rows is not None else ()

    def _rows(self) -> Sequence[Row] | None:
        try:
            with connect(self._database, FIGURES) as connection:
                late = Timer(_ANSWER_SECONDS, interrupt, [connection])
                late.start()
                try:
                    return connection.execute(SQL["figures"]).fetchall()
                finally:
                    late.cancel()
        except (psycopg.Error, OtherRelease):
            return None
