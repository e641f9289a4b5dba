"""Which events are lines of an account's history, and which type of activity each line has."""

from schemas.events import PurchaseKind
from schemas.states import ActivityType, PurchaseLabel

CHECKOUT: ActivityType = "checkout"
DEDUCTION: ActivityType = "deduction"
MANUAL: ActivityType = "manual"

# Other events, such as a top-up policy or an invoice, move no credits and are no lines of the history.
ACTIVITY: dict[str, ActivityType] = {
    "usage.recorded": DEDUCTION,
    "usage.accepted": DEDUCTION,
    "trace.recorded": DEDUCTION,
    "credits.purchased": CHECKOUT,
    "credits.refunded": MANUAL,
    "dispute.opened": MANUAL,
    "dispute.closed": MANUAL,
    "credits.adjusted": MANUAL,
}
PURCHASES: dict[PurchaseKind, PurchaseLabel] = {"purchase": "Purchase", "auto_top_up": "Auto Top-up"}


def event_types(activity: str | None = None) -> tuple[str, ...]:
    """The types of events that are lines of the history, all of them or those of one activity type."""
    return tuple(kind for kind, shown in ACTIVITY.items() if activity in (None, shown))


def purchase_kind(label: str) -> PurchaseKind | None:
    """The kind of purchase that has this label in the purchases view."""
    return next((kind for kind, shown in PURCHASES.items() if shown == label), None)
