"""Disputes: a dispute debits the disputed credits of a purchase; if it is won, they are credited again."""

from ledger.core.duplicates import is_duplicate
from ledger.core.pricing import disputed_share
from ledger.payments import payment_events
from ledger.payments.event_recorder import EventRecorder
from ledger.payments.gateway import Dispute
from ledger.payments.incoming_payments import IncomingPayments
from ledger.payments.outcomes import DisputeOutcome
from ledger.payments.payment_alerts import AlertReason
from ledger.payments.payment_terms import PaymentTerms
from schemas.identity import content_of


class Disputes:
    """The disputes of all providers."""

    def __init__(self, payments: IncomingPayments, recorder: EventRecorder) -> None:
        self._payments, self._recorder = payments, recorder

    def handle(self, provider: str, dispute: Dispute) -> DisputeOutcome:
        """Debits what is disputed, and ends the dispute once the bank has decided. Raises LogUnavailable."""
        terms = self._payments.credited_terms(provider, dispute.payment_id)
        if terms is None:
            return "ignored"
        if dispute.currency != terms.currency:
            return self._alert(provider, dispute, "dispute_in_other_currency", terms)
        opened = self._open(provider, dispute, terms)
        if opened == "mismatch" or dispute.status == "open":
            return opened
        return self._close(provider, dispute, terms)

    def _open(self, provider: str, dispute: Dispute, terms: PaymentTerms) -> DisputeOutcome:
        event_id = payment_events.dispute_event_id(terms.account_id, provider, dispute.dispute_id)
        # What is left is read before the entry is looked up, for the reason that Refunds.handle gives.
        purchase = self._recorder.purchase(terms.account_id, terms.purchase_id)
        if self._recorder.posted_content(terms.account_id, event_id) is not None:
            return "already"
        left = purchase.left if purchase else terms.credits
        credits = disputed_share(terms.credits, terms.amount_minor, dispute.amount_minor, left)
        if credits == 0:
            return self._alert(provider, dispute, "nothing_left_to_dispute", terms)
        self._recorder.event_log.append_event(payment_events.dispute_opened(provider, dispute, terms, credits))
        return "disputed"

    def _close(self, provider: str, dispute: Dispute, terms: PaymentTerms) -> DisputeOutcome:
        won = dispute.status == "won"
        event = payment_events.dispute_closed(provider, dispute, terms)
        posted = self._recorder.posted_content(terms.account_id, event.id)
        if posted is None:
            self._recorder.event_log.append_event(event)
            return "won" if won else "lost"
        if not is_duplicate(content_of(event), posted):  # the bank has changed its decision
            return self._alert(provider, dispute, "dispute_now_won" if won else "dispute_now_lost", terms)
        return "already"

    def _alert(self, provider: str, dispute: Dispute, reason: AlertReason, terms: PaymentTerms) -> DisputeOutcome:
        return self._recorder.raise_alert(
            provider, dispute.dispute_id, reason, terms.account_id, purchase_id=terms.purchase_id
        )
