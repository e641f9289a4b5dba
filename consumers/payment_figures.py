"""What of payments does not fit, among the metrics of `ledger consume`: as records have it when Prometheus asks."""

from collections.abc import Iterator

import psycopg
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ledger.payments.unreconciled import metrics
from ledger.records import release
from ledger.records.payment_alerts import SQL


class PaymentFigures(Collector):
    """While Postgres is away there are none, and the other metrics go on."""

    def __init__(self, database: str) -> None:
        self._database = database

    def describe(self) -> list[Metric]:
        """Nothing in advance: else Postgres would be asked before anybody wants to know."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read anew each time."""
        try:
            with release.connect(self._database, connect_timeout=5) as connection:
                rows = connection.execute(SQL["figures"]).fetchall()
        except (psycopg.Error, release.OtherRelease):
            return
        yield from metrics(rows)
