"""What is told of facts and effects: each becomes at most one notice, whose id follows from the event's."""

from datetime import datetime
from typing import Any

from ledger.core.book import Version
from ledger.core.top_up_attempts import SWITCHED_OFF
from ledger.records.notices import Document, Notice
from ledger.views.accepted_events import AcceptedEvent
from schemas.effects import AutoTopUpSkipped, AutoTopUpSuspended, BalanceLevelChanged, Effect
from schemas.identity import derived_id

# Every type, and whether the customer gets an e-mail of it; of a top-up's money the receipt tells.
TYPES = {
    "receipt.issued": True,
    "credit_note.issued": True,
    "balance.level_reached": True,
    "balance.level_recovered": False,
    "auto_top_up.paid": False,
    "auto_top_up.failed": True,
    "auto_top_up.suspended": True,
    "auto_top_up.capped": True,
    "dispute.opened": True,
    "dispute.closed": True,
}
FACTS = ("credits.purchased", "auto_top_up.failed", "dispute.opened", "dispute.closed", "invoice.issued")


def of_fact(fact: AcceptedEvent, document: Document | None) -> Notice | None:
    """The notice of a fact, None when nobody needs to be told. `document`: what `invoice.issued` is about."""
    data = fact.data
    match fact.type:
        case "credits.purchased" if data["kind"] == "auto_top_up":
            said = {name: data[name] for name in ("trigger_id", "purchase_id", "credits", "charged")}
            return _notice(fact, "auto_top_up.paid", said)
        case "auto_top_up.failed" if not data.get("suspended"):
            return _notice(fact, fact.type, {name: data[name] for name in ("trigger_id", "reason_code")})
        case "dispute.opened" | "dispute.closed":
            return _notice(fact, fact.type, data)
        case "invoice.issued" if document is not None:
            return _notice(fact, _ISSUED[document.kind], _document(data, document))
    return None


def of_effect(effect: Effect, version: Version, log_time: datetime) -> Notice | None:
    """The notice of an effect. `version`: the book as it was, whose levels have an order."""
    match effect:
        case BalanceLevelChanged():
            type_ = "balance.level_reached" if _sinks(effect, version) else "balance.level_recovered"
        case AutoTopUpSkipped():
            type_ = "auto_top_up.capped"
        case AutoTopUpSuspended() if effect.data.reason_code != SWITCHED_OFF:  # who switches it off knows that
            type_ = "auto_top_up.suspended"
        case _:
            return None
    account_id, occurred_at = effect.subject, effect.time or log_time
    said = {"account_id": account_id, **effect.data.model_dump(mode="json", exclude_none=True)}
    return Notice(derived_id(account_id, "notice", effect.id), account_id, type_, occurred_at, said)


_ISSUED = {"invoice": "receipt.issued", "credit_note": "credit_note.issued"}


def _notice(fact: AcceptedEvent, type_: str, said: dict[str, Any]) -> Notice:
    notice_id = derived_id(fact.account_id, "notice", fact.event_id)
    return Notice(notice_id, fact.account_id, type_, fact.time, {"account_id": fact.account_id, **said})


def _document(data: dict[str, Any], document: Document) -> dict[str, Any]:
    total = {"currency": document.currency, "amount_minor": document.total_minor, "tax_minor": document.tax_minor}
    url = f"/v1/invoices/{data['number']}.pdf"
    return {"number": data["number"], "purchase_id": data["purchase_id"], "total": total, "url": url}


def _sinks(change: BalanceLevelChanged, version: Version) -> bool:
    """Levels are ordered from the lowest; "ok", and one that the book has lost meanwhile, are above all."""
    names = [level.name for level in version.levels]
    rank = {name: place for place, name in enumerate(names)}
    return rank.get(change.data.level, len(names)) < rank.get(change.data.previous, len(names))
