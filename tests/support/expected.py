"""What the views must be, worked out from the bytes on the log in exact fractions, without `ledger.core`.

It knows usage at a given cost, purchases, adjustments and auto top-ups of a fixed amount without caps, under the first
book, and facts that move nothing: enough for a load whose every nano is known. `discrepancies` lists all that is not
as it must be.
"""

import json
import uuid
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import psycopg
from kafka.partitioner.default import murmur2

from ledger.settings import Settings
from schemas.identity import LEDGER_NAMESPACE
from schemas.topics import EVENTS, TOP_UPS
from tests.support.workers import records_of

MOVE_NOTHING = ("account.opened", "invoice.issued")
FACTORS = {"auto": Fraction(110, 100), "tier": Fraction(108, 100)}
NANOS = 10**9


class Line(NamedTuple):
    """One entry as it must stand in the views."""

    event_id: str
    account: str
    partition: int
    offset: int
    seq: int
    amount: int
    balance_after: int
    cost: int


@dataclass
class Account:
    balance: int = 0
    seq: int = 0
    level: str = "exhausted"
    threshold: int | None = None
    in_flight: str | None = None


@dataclass
class Expected:
    """All that must be in the views and on `ledger.topups`."""

    records: int = 0
    lines: list[Line] = field(default_factory=list)
    balances: dict[str, int] = field(default_factory=dict)
    triggers: set[str] = field(default_factory=set)
    level_changes: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)


def expected_of(settings: Settings) -> Expected:
    """Folds the log anew: the first of each id counts, where its account's records belong."""
    expected, accounts, seen = Expected(), dict[str, Account](), set[tuple[str, str]]()
    for record in records_of(settings, EVENTS, settings.event_partitions):
        expected.records += 1
        event = json.loads(record.value)
        account_id, event_id = event["subject"], event["id"]
        if home_of(account_id, settings.event_partitions) != record.partition:
            expected.outcomes["forwarded"] += 1
        elif (account_id, event_id) in seen:
            expected.outcomes["duplicate"] += 1
        else:
            seen.add((account_id, event_id))
            expected.outcomes["posted"] += 1
            _fold(expected, accounts.setdefault(account_id, Account()), event, record)
    expected.balances = {account_id: account.balance for account_id, account in accounts.items()}
    return expected


def discrepancies(settings: Settings) -> list[str]:
    """Everything in the views, the outbox and on `ledger.topups` that is not exactly what the log says."""
    expected = expected_of(settings)
    with psycopg.connect(settings.database) as connection:
        return [
            *_different("entries", set(expected.lines), _entries(connection)),
            *_different("balances", set(expected.balances.items()), _rows(connection, _BALANCES)),
            *_different("outcomes", set(expected.outcomes.items()), _rows(connection, _OUTCOMES)),
            *_different("usage_days", _usage_of(expected), _rows(connection, _USAGE_DAYS)),
            *_different("dead letters", set(), _rows(connection, "SELECT partition, reason FROM views.dead_letters")),
            *_different("outbox, not sent or not dropped", set(), _rows(connection, _UNSENT)),
            *_different("effects", expected.triggers | expected.level_changes, _said(settings)),
        ]


def triggers_of(settings: Settings) -> Counter[str]:
    """How often each trigger is on the topic: more than once only after a crash between publishing and noting it."""
    events = [json.loads(record.value) for record in records_of(settings, TOP_UPS, settings.event_partitions)]
    return Counter(event["id"] for event in events if event["type"] == "auto_top_up.triggered")


def home_of(account_id: str, partitions: int) -> int:
    """The partition that Java's clients choose."""
    return int((murmur2(account_id.encode()) & 0x7FFFFFFF) % partitions)


def derived(account_id: str, *parts: str) -> str:
    """uuid5(account, parts), as the design says."""
    return str(uuid.uuid5(uuid.uuid5(LEDGER_NAMESPACE, account_id), "/".join(parts)))


def charge(cost: str, mode: str = "auto") -> int:
    """Nanos that the customer pays for a call of this cost: rounded once, half to even."""
    return round(Fraction(cost) * FACTORS[mode] * NANOS)


def nanos(credits: str) -> int:
    exact = Fraction(credits) * NANOS
    assert exact.denominator == 1
    return int(exact)


def _fold(expected: Expected, account: Account, event: Any, record: Any) -> None:
    data, cost = event["data"], 0
    match event["type"]:
        case "usage.recorded":
            amount, cost = -charge(data["provider_cost"], data["mode"]), round(Fraction(data["provider_cost"]) * NANOS)
        case "credits.purchased":
            amount = nanos(data["credits"])
            if data.get("trigger_id") == account.in_flight:
                account.in_flight = None
        case "credits.adjusted":
            amount = nanos(data["amount"])
        case "auto_top_up.configured":
            amount, account.threshold = 0, nanos(data["threshold"])
        case kind if kind in MOVE_NOTHING:
            amount = 0
    account.balance += amount
    account.seq += 1
    place = (record.partition, record.offset)
    expected.lines.append(Line(event["id"], event["subject"], *place, account.seq, amount, account.balance, cost))
    _effects(expected, account, event)


def _effects(expected: Expected, account: Account, event: Any) -> None:
    account_id = event["subject"]
    cause = (event["id"],) if event["type"] == "usage.recorded" else ("signed", event["id"])
    may_trigger = event["type"] not in ("credits.adjusted", *MOVE_NOTHING) and account.in_flight is None
    if may_trigger and account.threshold is not None and account.balance < account.threshold:
        account.in_flight = derived(account_id, *cause)
        expected.triggers.add(account.in_flight)
    level = "exhausted" if account.balance <= 0 else "low" if account.balance <= 5 * NANOS else "ok"
    if level != account.level:
        expected.level_changes.add(derived(account_id, "balance.level_changed", *cause))
    account.level = level


_ENTRIES = """
SELECT event_id::text, account_id, partition, log_offset, seq, amount, balance_after, cost FROM views.entries
"""
_BALANCES = "SELECT account_id, balance FROM views.balances"
_OUTCOMES = "SELECT outcome, sum(records)::bigint FROM views.record_counts GROUP BY outcome"
_USAGE_DAYS = """
SELECT account_id, sum(requests)::bigint, sum(cost)::bigint, sum(charge)::bigint FROM views.usage_days
GROUP BY account_id
"""
_UNSENT = "SELECT message_id::text, topic FROM records.outbox WHERE sent_at IS NULL OR value IS NOT NULL"


def _entries(connection: psycopg.Connection[Any]) -> set[Line]:
    return {Line(*row) for row in connection.execute(_ENTRIES)}  # a key forbids that one stands there twice


def _rows(connection: psycopg.Connection[Any], query: str) -> set[Any]:
    return set(connection.execute(query.encode()).fetchall())


def _usage_of(expected: Expected) -> set[tuple[str, int, int, int]]:
    sums: dict[str, list[int]] = {}
    for line in expected.lines:
        if line.amount < 0 and line.cost:
            of = sums.setdefault(line.account, [0, 0, 0])
            of[0], of[1], of[2] = of[0] + 1, of[1] + line.cost, of[2] - line.amount
    return {(account, *of) for account, of in sums.items()}  # type: ignore[misc]


def _said(settings: Settings) -> set[str]:
    return {json.loads(record.value)["id"] for record in records_of(settings, TOP_UPS, settings.event_partitions)}


def _different(what: str, wanted: set[Any], found: set[Any]) -> list[str]:
    missing, extra = wanted - found, found - wanted
    if not missing and not extra:
        return []
    return [f"{what}: {len(missing)} missing, e.g. {list(missing)[:3]}; {len(extra)} too many, e.g. {list(extra)[:3]}"]
