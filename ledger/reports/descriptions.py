"""What an entry of the history is called: one line for the customer."""

from collections.abc import Callable, Mapping
from typing import Any

from ledger.reports.amounts import money_text


def describe(event_type: str, fields: Mapping[str, Any]) -> str:
    """One line about an entry, for the customer. `fields`: the event's data, and `free_traces` of a trace's entry."""
    return _DESCRIPTIONS[event_type](fields)


def _usage(fields: Mapping[str, Any]) -> str:
    tokens = f"{fields['input_tokens']:,} input and {fields['output_tokens']:,} output tokens"
    own_key = ", your own key" if fields.get("own_key") else ""
    return f"{fields['provider']}/{fields['model']}, {fields['mode']} mode{own_key}: {tokens}"


def _accepted(fields: Mapping[str, Any]) -> str:
    return f"{_usage(fields['usage'])}, accepted after a check"


def _trace(fields: Mapping[str, Any]) -> str:
    count, free = fields["count"], fields.get("free_traces") or 0
    return f"{count:,} trace{'' if count == 1 else 's'}, {free:,} of them included"


def _purchase(fields: Mapping[str, Any]) -> str:
    if fields.get("description"):
        return str(fields["description"])
    name = "Auto top-up" if fields["kind"] == "auto_top_up" else "Credit top-up"
    return f"{name} via {_provider(fields)} ({_charged(fields)})"


def _refund(fields: Mapping[str, Any]) -> str:
    return f"Refund of purchase {fields['purchase_id']} ({_charged(fields)})"


def _dispute_opened(fields: Mapping[str, Any]) -> str:
    return f"Dispute of purchase {fields['purchase_id']} opened"


def _dispute_closed(fields: Mapping[str, Any]) -> str:
    return f"Dispute of purchase {fields['purchase_id']} {fields['outcome']}"


def _adjustment(fields: Mapping[str, Any]) -> str:
    return f"Adjustment: {str(fields['reason_code']).replace('_', ' ')}"


_DESCRIPTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "usage.recorded": _usage,
    "usage.accepted": _accepted,
    "trace.recorded": _trace,
    "credits.purchased": _purchase,
    "credits.refunded": _refund,
    "dispute.opened": _dispute_opened,
    "dispute.closed": _dispute_closed,
    "credits.adjusted": _adjustment,
}


def _provider(fields: Mapping[str, Any]) -> str:
    return str(fields["provider"]).replace("_", " ").title()


def _charged(fields: Mapping[str, Any]) -> str:
    charged = fields["charged"]
    return money_text(charged["currency"], charged["amount_minor"])
