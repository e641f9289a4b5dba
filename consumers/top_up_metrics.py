"""The metrics of charging: triggers, answers of providers, and the time from crossing a threshold to the credits."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import product
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from ledger.core.top_up_attempts import AnswerKind, ProviderAnswer, ProviderCall
from ledger.records.top_up_triggers import Trigger

TRIGGERS = Counter("ledger_top_up_triggers", "Triggers that were read, repeated ones too.")
ANSWERS = Counter(
    "ledger_top_up_answers", "Answers of providers about top-ups, by what was asked.", ("provider", "call", "answer")
)
SECONDS = Histogram(
    "ledger_top_up_seconds",
    "From the crossing of the threshold to the credits on the log, of first attempts.",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60, 300),
)
OPEN = Gauge("ledger_top_ups_open", "Top-ups that are not over, by state; sent: outcome unknown.", ("state",))
OPEN_SECONDS = Gauge("ledger_top_ups_open_oldest_seconds", "Age of the oldest attempt of each state.", ("state",))
OVERDUE = Gauge("ledger_overdue", "What is not over beyond its bound, by kind.", ("kind",))
OVERDUE_SECONDS = Gauge("ledger_overdue_oldest_seconds", "Age of the oldest of it.", ("kind",))


def count_from_zero(providers: Iterable[str]) -> None:
    """Shows every series from zero, so that an alarm sees the first increase."""
    for provider, call, kind in product(providers, get_args(ProviderCall), get_args(AnswerKind)):
        ANSWERS.labels(provider, call, kind)


def count(trigger: Trigger, call: ProviderCall, answer: ProviderAnswer) -> None:
    """Counts an answer, and times the first attempts."""
    ANSWERS.labels(trigger.provider, call, answer.kind).inc()
    if call == "charge" and answer.kind == "paid" and trigger.attempt == 1:
        SECONDS.observe(max((datetime.now(UTC) - trigger.triggered_at).total_seconds(), 0))
