"""An account's state as `ledger state` prints it."""

from collections.abc import Iterator
from typing import Any

from ledger.core.account import TopUps
from ledger.core.calendar import date_of, utc_text
from ledger.core.top_up_attempts import FINAL
from ledger.records.top_up_triggers import Trigger
from ledger.reports.amounts import balance_text
from ledger.views.account_state import AccountState, LastEntry
from schemas.money import format_nanos


def shown(standing: AccountState) -> dict[str, Any]:
    """The fields of the line of `--json`: credits as decimal strings, times in UTC."""
    account = standing.account
    return {
        "account_id": account.account_id,
        "balance": format_nanos(account.balance),
        "balance_text": balance_text(account.balance),
        "held": _credits(standing.held),
        "available": _credits(None if standing.held is None else account.balance - standing.held),
        "level": account.level,
        "package": account.package,
        "traces": {"month": _month(account.month), "used": account.month_traces},
        "auto_top_up": _top_ups(account.top_ups) | {"charge": _charge(standing.trigger)},
        "open_disputes": account.top_ups.open_disputes,
        "entries": account.seq,
        "last_entries": [_entry(entry) for entry in standing.last],
        "partition": standing.partition,
        "next_offset": standing.next_offset,
        "as_of": utc_text(standing.through) if standing.through else None,
    }


def table_lines(fields: dict[str, Any]) -> list[dict[str, str]]:
    """The fields as a table of two columns, without empty values."""
    plain = {name: value for name, value in fields.items() if name != "last_entries"}
    return [{"what": what, "is": str(value)} for what, value in _flat(plain) if value not in (None, "")]


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        words = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _flat(value, f"{words}: ")
        else:
            yield words, value


def _top_ups(machine: TopUps) -> dict[str, Any]:
    policy = machine.policy
    terms = {
        "enabled": bool(policy and policy.enabled),
        "threshold": _credits(policy.threshold if policy else None),
        "amount": _credits(policy.amount if policy else None),
        "sizing": policy.sizing if policy else None,
        "cap_day": _credits(policy.cap_day if policy else None),
        "cap_month": _credits(policy.cap_month if policy else None),
        "provider": policy.provider if policy else None,
        "payment_method_id": policy.payment_method_id if policy else None,
    }
    return terms | {
        "state": machine.state,
        "reason": machine.reason,
        "trigger_id": machine.trigger_id,
        "trigger_credits": _credits(machine.credits if machine.trigger_id else None),
        "spent_day": {
            "day": str(date_of(machine.day)) if machine.day else None,
            "credits": _credits(machine.day_spent),
        },
        "spent_month": {"month": _month(machine.month), "credits": _credits(machine.month_spent)},
    }


def _charge(trigger: Trigger | None) -> dict[str, Any] | None:
    """The charge of the last trigger."""
    if trigger is None:
        return None
    return {
        "trigger_id": trigger.trigger_id,
        "state": trigger.state,
        "attempt": trigger.attempt,
        "failure": trigger.failure,
        "next_at": utc_text(trigger.due_at) if trigger.due_at and trigger.state not in FINAL else None,
        "payment_id": trigger.payment_id,
        "pay_url": trigger.url,
    }


def _entry(entry: LastEntry) -> dict[str, Any]:
    return {
        "event_id": entry.event_id,
        "type": entry.type,
        "time": utc_text(entry.log_time),
        "amount": format_nanos(entry.amount),
        "balance_after": format_nanos(entry.balance_after),
        "offset": entry.log_offset,
    }


def _credits(nanos: int | None) -> str | None:
    return None if nanos is None else format_nanos(nanos)


def _month(month: int) -> str | None:
    """202611 as "2026-11"; None before the first month."""
    return f"{month // 100}-{month % 100:02}" if month else None
