"""What of payments does not fit together, counted for operators, from records: every process can tell."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

# Reasons of alerts, and the kinds that they are counted by.
CHARGED_NOT_CREDITED, CREDITED_NOT_CHARGED, OTHER = "charged_not_credited", "credited_not_charged", "other"
_KINDS = (CHARGED_NOT_CREDITED, CREDITED_NOT_CHARGED, OTHER)
_PAID_AND_REFUSED = {"terms_forged", "paid_twice"} | {
    f"other_{what}" for what in ("provider", "account", "terms", "currency", "amount")
}

# As `figures` of records.payment_alerts has them: provider, reason (None: its last sweep), how many, seconds.
Row = tuple[str, str | None, int, float]


class Unreconciled(NamedTuple):
    """Alerts of one kind that nobody has resolved. `oldest_seconds`: since the first was raised; 0 without any."""

    provider: str
    kind: str
    alerts: int
    oldest_seconds: float


def kind_of(reason: str) -> str:
    """charged_not_credited, credited_not_charged, or other: a refund, a dispute or a payout."""
    if reason in _PAID_AND_REFUSED:
        return CHARGED_NOT_CREDITED
    return reason if reason in _KINDS else OTHER


def unreconciled(rows: Iterable[Row]) -> list[Unreconciled]:
    """Every kind for each provider, the zeros too."""
    rows = list(rows)
    found = []
    for provider in sorted({row[0] for row in rows}):
        for kind in _KINDS:
            alerts = [row for row in rows if row[0] == provider and row[1] is not None and kind_of(row[1]) == kind]
            oldest = max((row[3] for row in alerts), default=0.0)
            found.append(Unreconciled(provider, kind, sum(row[2] for row in alerts), oldest))
    return found


def metrics(rows: Iterable[Row]) -> Iterator[Metric]:
    """The same for Prometheus."""
    rows = list(rows)
    count = GaugeMetricFamily(
        "ledger_payments_unreconciled",
        "Payments, refunds, disputes and payouts that do not fit, as of the last sweep, until they are resolved.",
        labels=["provider", "kind"],
    )
    oldest = GaugeMetricFamily(
        "ledger_payments_unreconciled_oldest_seconds",
        "Since when the oldest of them is known; 0 without any.",
        labels=["provider", "kind"],
    )
    for found in unreconciled(rows):
        count.add_metric([found.provider, found.kind], found.alerts)
        oldest.add_metric([found.provider, found.kind], found.oldest_seconds)
    swept = GaugeMetricFamily(
        "ledger_payment_sweep_age_seconds",
        "Since when all that a provider lists is known to be learned.",
        labels=["provider"],
    )
    for provider, reason, _, seconds in rows:
        if reason is None:
            swept.add_metric([provider], seconds)
    yield from (count, oldest, swept)
