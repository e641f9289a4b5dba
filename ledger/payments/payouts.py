"""Payouts: what a provider paid to our bank becomes one event. A payout that took money back raises an alert."""

from ledger.payments import payment_events
from ledger.payments.event_recorder import EventRecorder
from ledger.payments.gateway import Payout
from ledger.payments.outcomes import PayoutOutcome


def handle_payout(recorder: EventRecorder, provider: str, payout: Payout) -> PayoutOutcome:
    """Records a payout. Raises LogUnavailable."""
    if payout.amount_minor < 0 or payout.fee_minor < 0:  # the provider took money from our bank
        details = {"currency": payout.currency, "amount_minor": payout.amount_minor, "fee_minor": payout.fee_minor}
        return recorder.raise_alert(provider, payout.payout_id, "negative_payout", None, **details)
    return "received" if recorder.append_once(payment_events.payout_received(provider, payout)) else "already"
