"""Which notice an event or an effect becomes: at most one, whose id follows from the event's."""

from datetime import datetime
from typing import Any

from ledger.core.book import Version
from ledger.core.top_up_attempts import SWITCHED_OFF
from ledger.records.notices import Document, Notice
from ledger.views.accepted_events import AcceptedEvent
from schemas.effects import AutoTopUpSkipped, AutoTopUpSuspended, BalanceLevelChanged, Effect, UsageQuarantined
from schemas.identity import derived_id

# Every type of notice, and whether the customer also gets an e-mail. A paid top-up has the e-mail of its receipt.
TYPES = {
    "receipt.issued": True,
    "credit_note.issued": True,
    "balance.level_reached": True,
    "balance.level_recovered": False,
    "auto_top_up.paid": False,
    "auto_top_up.failed": True,
    "auto_top_up.suspended": True,
    "auto_top_up.capped": True,
    "usage.quarantined": False,  # for the operator, not for the customer
    "dispute.opened": True,
    "dispute.closed": True,
}
# The types of events that can become a notice.
NOTIFIED_TYPES = ("credits.purchased", "auto_top_up.failed", "dispute.opened", "dispute.closed", "invoice.issued")


def of_event(accepted: AcceptedEvent, document: Document | None) -> Notice | None:
    """The notice of an event; None if it needs none. `document`: the document of `invoice.issued`."""
    data = accepted.data
    match accepted.type:
        case "credits.purchased" if data["kind"] == "auto_top_up":
            fields = {name: data[name] for name in ("trigger_id", "purchase_id", "credits", "charged")}
            return _notice(accepted, "auto_top_up.paid", fields)
        case "auto_top_up.failed" if not data.get("suspended"):
            return _notice(accepted, accepted.type, {name: data[name] for name in ("trigger_id", "reason_code")})
        case "dispute.opened" | "dispute.closed":
            return _notice(accepted, accepted.type, data)
        case "invoice.issued" if document is not None:
            return _notice(accepted, _ISSUED[document.kind], _document(data, document))
    return None


def of_effect(effect: Effect, version: Version, log_time: datetime) -> Notice | None:
    """The notice of an effect; None if it needs none. `version`: the book of then, which orders the balance levels."""
    match effect:
        case BalanceLevelChanged():
            type_ = "balance.level_reached" if _falls(effect, version) else "balance.level_recovered"
        case UsageQuarantined():
            type_ = "usage.quarantined"
        case AutoTopUpSkipped():
            type_ = "auto_top_up.capped"
        case AutoTopUpSuspended() if effect.data.reason_code != SWITCHED_OFF:  # the customer who switched it off knows
            type_ = "auto_top_up.suspended"
        case _:
            return None
    account_id, occurred_at = effect.subject, effect.time or log_time
    fields = {"account_id": account_id, **effect.data.model_dump(mode="json", exclude_none=True)}
    return Notice(derived_id(account_id, "notice", effect.id), account_id, type_, occurred_at, fields)


_ISSUED = {"invoice": "receipt.issued", "credit_note": "credit_note.issued"}


def _notice(accepted: AcceptedEvent, type_: str, fields: dict[str, Any]) -> Notice:
    notice_id = derived_id(accepted.account_id, "notice", accepted.event_id)
    return Notice(notice_id, accepted.account_id, type_, accepted.time, {"account_id": accepted.account_id, **fields})


def _document(data: dict[str, Any], document: Document) -> dict[str, Any]:
    total = {"currency": document.currency, "amount_minor": document.total_minor, "tax_minor": document.tax_minor}
    url = f"/v1/invoices/{data['number']}.pdf"
    return {"number": data["number"], "purchase_id": data["purchase_id"], "total": total, "url": url}


def _falls(change: BalanceLevelChanged, version: Version) -> bool:
    """Whether the new level is lower. The book lists the lowest first; "ok" and unlisted levels are above all."""
    names = [level.name for level in version.levels]
    rank = {name: place for place, name in enumerate(names)}
    return rank.get(change.data.level, len(names)) < rank.get(change.data.previous, len(names))
