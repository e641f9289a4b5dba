"""Lines of a history as transactions: texts and figures for customers, and the fields of the entry."""

from typing import Any

from ledger.core.activity import ACTIVITY, PURCHASES
from ledger.core.errors import LedgerError
from ledger.reports.amounts import amount_text
from ledger.reports.descriptions import describe
from ledger.views.history import HistoryLine
from schemas.http import Transaction
from schemas.money import format_nanos


class TransactionUnknown(LedgerError):
    message = "There is no such transaction"


class AmbiguousTransaction(LedgerError):
    message = "Several transactions have this id; choose one by account_id, or by signed"


_OF_A_CALL = (
    *("request_id", "model", "mode", "api_key_id", "input_tokens", "output_tokens"),
    *("units", "attributes", "own_key"),
)


def transaction_of(line: HistoryLine, *, purchases_view: bool = False) -> Transaction:
    """A line as the activity view shows it, or the purchases view."""
    return Transaction(**transaction_fields(line, purchases_view=purchases_view))


def transaction_fields(line: HistoryLine, *, purchases_view: bool = False) -> dict[str, Any]:
    """The fields of a transaction by name."""
    activity = ACTIVITY[line.type]
    data = line.data or {}
    usage = line.type == "usage.recorded"
    facts = line._asdict() if usage else {**data, "free_traces": line.free_traces}
    called = data["usage"] if line.type == "usage.accepted" else line._asdict()
    return {
        "event_id": line.event_id,
        "account_id": line.account_id,
        "signed": line.signed,
        "type": PURCHASES[data["kind"]] if purchases_view else activity,
        "event_type": line.type,
        "description": describe(line.type, facts),
        "time": line.log_time,
        "occurred_at": line.occurred_at,
        "amount": format_nanos(line.amount),
        "amount_text": amount_text(line.amount, activity),
        "balance_after": format_nanos(line.balance_after),
        "provider": line.provider,
        **{name: called.get(name) for name in _OF_A_CALL},
        "traces": None if usage else data.get("count"),
        "free_traces": line.free_traces,
        "purchase_id": None if usage else data.get("purchase_id"),
        "currency": line.currency,
        "amount_minor": line.clearing_minor,
        "reason_code": None if usage else data.get("reason_code"),
    }
