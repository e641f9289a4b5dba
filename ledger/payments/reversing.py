"""Money that goes back: refunds and disputes, as facts about the purchase that they take back.

A purchase that is not on the log yet is credited first: both go to the account's partition, in that order.
"""

from ledger.core.errors import ExceedsPurchase
from ledger.core.pricing import disputed_share
from ledger.payments import payment_events
from ledger.payments.event_recorder import EventRecorder
from ledger.payments.gateway import Dispute, Refund
from ledger.payments.gateways import Gateways, gateway_of
from ledger.payments.incoming_payments import IncomingPayments, terms_of_row
from ledger.payments.payment_terms import PaymentTerms
from ledger.records import checkouts
from schemas.identity import content_of
from schemas.money import parse_nanos


class Reversing:
    """Refunds and disputes of every provider."""

    def __init__(self, gateways: Gateways, crediting: IncomingPayments, recording: EventRecorder) -> None:
        self._gateways, self._crediting, self._recording = gateways, crediting, recording

    def refunded(self, provider: str, refund: Refund) -> str:
        """Debits the refund's share of the credits, once it has succeeded; what it did."""
        if refund.status == "pending":
            return "pending"
        terms = self._terms(provider, refund.payment_id)
        if terms is None:
            return "ignored"
        if refund.status == "failed":
            return self._failed(provider, refund, terms)
        if refund.currency != terms.currency:
            return self._alert(provider, refund.refund_id, "refund_in_other_currency", terms)
        try:
            event = payment_events.refunded(provider, refund, terms)
        except ExceedsPurchase:
            return self._alert(provider, refund.refund_id, "refund_exceeds_payment", terms)
        # What is left is read first: else what is projected in between would count this very refund.
        purchase = self._recording.purchase(terms.account_id, terms.purchase_id)
        if self._recording.posted(terms.account_id, event.id) is not None:
            return "already"
        if purchase is not None and parse_nanos(event.data.credits) > purchase.left:
            return self._alert(provider, refund.refund_id, "refund_exceeds_purchase", terms)
        self._recording.append(event)
        return "refunded"

    def disputed(self, provider: str, dispute: Dispute) -> str:
        """Debits what is disputed of the credits, and gives it back when the dispute is won; what it did."""
        terms = self._terms(provider, dispute.payment_id)
        if terms is None:
            return "ignored"
        if dispute.currency != terms.currency:
            return self._alert(provider, dispute.dispute_id, "dispute_in_other_currency", terms)
        opened = self._open(provider, dispute, terms)
        if opened == "mismatch" or dispute.status == "open":
            return opened
        return self._close(provider, dispute, terms)

    def _open(self, provider: str, dispute: Dispute, terms: PaymentTerms) -> str:
        event_id = payment_events.dispute_event_id(terms.account_id, provider, dispute.dispute_id)
        purchase = self._recording.purchase(terms.account_id, terms.purchase_id)  # first, as above
        if self._recording.posted(terms.account_id, event_id) is not None:
            return "already"
        left = purchase.left if purchase else terms.credits
        credits = disputed_share(terms.credits, terms.amount_minor, dispute.amount_minor, left)
        if credits == 0:
            return self._alert(provider, dispute.dispute_id, "nothing_left_to_dispute", terms)
        self._recording.append(payment_events.dispute_opened(provider, dispute, terms, credits))
        return "disputed"

    def _close(self, provider: str, dispute: Dispute, terms: PaymentTerms) -> str:
        event = payment_events.dispute_closed(provider, dispute, terms)
        posted = self._recording.posted(terms.account_id, event.id)
        if posted is None:
            self._recording.append(event)
            return dispute.status
        if posted != content_of(event):  # the bank has thought better of it
            return self._alert(provider, dispute.dispute_id, f"dispute_now_{dispute.status}", terms)
        return "already"

    def _failed(self, provider: str, refund: Refund, terms: PaymentTerms) -> str:
        """A bank may send a refund back that had succeeded: then people give the credits back."""
        event_id = payment_events.refund_event_id(terms.account_id, provider, refund.refund_id)
        if self._recording.posted(terms.account_id, event_id) is None:
            return "failed"
        return self._alert(provider, refund.refund_id, "refund_failed", terms)

    def _terms(self, provider: str, payment_id: str) -> PaymentTerms | None:
        """The terms of a payment whose purchase is on the log, if need be from now on; None: it never was credited."""
        with self._recording.database() as connection:
            row = checkouts.find_payment(connection, provider, payment_id, None)
        if row is not None and row.state == "credited":
            return terms_of_row(row)
        payment = gateway_of(self._gateways, provider).payment(payment_id)
        if payment.status != "paid" or self._crediting.handle(provider, payment) not in ("credited", "already"):
            return None
        return self._crediting.terms(provider, payment)

    def _alert(self, provider: str, id_: str, reason: str, terms: PaymentTerms) -> str:
        return self._recording.alert(provider, id_, reason, terms.account_id, purchase_id=terms.purchase_id)
