"""A changed card lifts a suspension of auto top-up, once per suspension, and is tried at once where a retry waits."""

from ledger.core.charging import MISMATCHED
from ledger.payments import payment_events
from ledger.payments.clock import utc_now
from ledger.payments.event_recorder import EventRecorder
from ledger.payments.gateway import MethodsChanged
from ledger.records import customers, top_up_triggers
from ledger.views import top_ups

CARD_CHANGED = "card_changed"


class Resuming:
    """Of every provider."""

    def __init__(self, recording: EventRecorder) -> None:
        self._recording = recording

    def changed(self, provider: str, news: MethodsChanged) -> str:
        """Resumes the accounts of the customer that were suspended for want of a card that pays; what it did."""
        with self._recording.database() as connection:
            accounts = customers.accounts_of(connection, provider, news.customer_id)
            suspended = top_ups.suspended(connection, accounts)
            top_up_triggers.hasten(connection, accounts)
        resumed = [
            self._recording.record(payment_events.top_up_resumed(account_id, since_seq, CARD_CHANGED, utc_now()))
            for account_id, since_seq, reason in suspended
            if reason != MISMATCHED  # money that does not fit is for people to look at
        ]
        return "resumed" if any(resumed) else "ignored"
