"""Alerts of payments that contradict the ledger: their reasons, and how many are unresolved, for operators."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

# Why a payment that is paid was not credited.
MismatchReason = Literal[
    "terms_forged", "other_provider", "other_account", "other_terms", "other_currency", "other_amount", "paid_twice"
]
AlertReason = (
    MismatchReason
    | Literal[
        "charged_not_credited",
        "credited_not_charged",
        "refund_in_other_currency",
        "refund_exceeds_payment",
        "refund_exceeds_purchase",
        "refund_failed",
        "dispute_in_other_currency",
        "nothing_left_to_dispute",
        "dispute_now_won",
        "dispute_now_lost",
        "negative_payout",
    ]
)
# The kinds that alerts are counted by. other: a refund, a dispute or a payout.
AlertKind = Literal["charged_not_credited", "credited_not_charged", "other"]
_KINDS: tuple[AlertKind, ...] = ("charged_not_credited", "credited_not_charged", "other")
_CHARGED_NOT_CREDITED: frozenset[AlertReason] = frozenset(
    {
        "charged_not_credited",
        "terms_forged",
        "other_provider",
        "other_account",
        "other_terms",
        "other_currency",
        "other_amount",
        "paid_twice",
    }
)

# A row of the statement `figures` of records.payment_alerts: provider, reason, number of alerts, age in seconds.
# Without a reason it is the provider's last sweep and its age.
Row = tuple[str, str | None, int, float]


class Unreconciled(NamedTuple):
    """The unresolved alerts of one kind. `oldest_seconds`: the age of the oldest one; 0 without any."""

    provider: str
    kind: AlertKind
    alerts: int
    oldest_seconds: float


def kind_of(reason: str) -> AlertKind:
    """The kind that an alert with this reason is counted by."""
    if reason in _CHARGED_NOT_CREDITED:
        return "charged_not_credited"
    return "credited_not_charged" if reason == "credited_not_charged" else "other"


def unreconciled(rows: Iterable[Row]) -> list[Unreconciled]:
    """Every kind for each provider, also those without an alert."""
    rows = list(rows)
    found = []
    for provider in sorted({row[0] for row in rows}):
        for kind in _KINDS:
            alerts = [row for row in rows if row[0] == provider and row[1] is not None and kind_of(row[1]) == kind]
            oldest = max((row[3] for row in alerts), default=0.0)
            found.append(Unreconciled(provider, kind, sum(row[2] for row in alerts), oldest))
    return found


def metrics(rows: Iterable[Row]) -> Iterator[Metric]:
    """The unresolved alerts and the age of each provider's last sweep, for Prometheus."""
    rows = list(rows)
    count = GaugeMetricFamily(
        "ledger_payments_unreconciled",
        "Payments, refunds, disputes and payouts that contradict the ledger, unresolved, as of the last sweep.",
        labels=["provider", "kind"],
    )
    oldest = GaugeMetricFamily(
        "ledger_payments_unreconciled_oldest_seconds",
        "Age of the oldest unresolved one; 0 without any.",
        labels=["provider", "kind"],
    )
    for found in unreconciled(rows):
        count.add_metric([found.provider, found.kind], found.alerts)
        oldest.add_metric([found.provider, found.kind], found.oldest_seconds)
    swept = GaugeMetricFamily(
        "ledger_payment_sweep_age_seconds",
        "Age of the last sweep that read all lists of the provider to their end.",
        labels=["provider"],
    )
    for provider, reason, _, seconds in rows:
        if reason is None:
            swept.add_metric([provider], seconds)
    yield from (count, oldest, swept)
