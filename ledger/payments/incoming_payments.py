"""Payments into credits: what a provider says was paid, held against what was agreed, and credited once.

What was agreed stands in our row and, signed, at the provider. One of them is enough; both must say the same, and the
payment must be what they say. Else nothing is credited, and people are told.
"""

from typing import NamedTuple

from ledger.payments import payment_events
from ledger.payments.event_recorder import EventRecorder
from ledger.payments.gateway import Payment
from ledger.payments.payment_terms import PaymentTerms, TermsForged, terms_of
from ledger.records import checkouts, top_up_triggers
from ledger.records.checkouts import Checkout, NewCheckout
from ledger.settings import Settings
from ledger.views.payments import was_lost
from schemas.money import format_nanos


class Agreed(NamedTuple):
    """What is known of a payment besides itself: our row, and the terms that it carries."""

    row: Checkout | None
    carried: PaymentTerms | None

    @property
    def terms(self) -> PaymentTerms | None:
        """On what terms it is paid; None for a payment that is none of ours."""
        return self.carried or (terms_of_row(self.row) if self.row else None)


def terms_of_row(row: Checkout) -> PaymentTerms:
    """What the row says was agreed."""
    return PaymentTerms(
        row.checkout_id,
        row.account_id,
        "purchase",
        row.credits,
        row.currency,
        row.amount_minor,
        row.tax_minor,
        row.fx_rate,
    )


def description_of(credits: int) -> str:
    """What a provider shows a customer who buys so many nanos."""
    return f"{format_nanos(credits)} credits"


class IncomingPayments:
    """Payments of every provider."""

    def __init__(self, settings: Settings, recording: EventRecorder) -> None:
        self._secrets, self._ledger = settings.secrets, settings.topic_prefix
        self._recording = recording

    def handle(self, provider: str, payment: Payment) -> str:
        """Does what the payment calls for; what that was. Raises LogUnavailable."""
        try:
            agreed = self._agreed(provider, payment)
        except TermsForged as error:
            if payment.status != "paid":
                return "ignored"
            return self._recording.alert(provider, payment.payment_id, "terms_forged", None, detail=str(error))
        if agreed.terms is None:
            return "ignored"
        match payment.status:
            case "pending":
                return "pending"
            case "failed":
                return self._failed(agreed.row, payment)
        return self._paid(provider, payment, agreed, agreed.terms)

    def terms(self, provider: str, payment: Payment) -> PaymentTerms | None:
        """On what terms it was paid. Raises TermsForged."""
        return self._agreed(provider, payment).terms

    def _agreed(self, provider: str, payment: Payment) -> Agreed:
        carried = terms_of(payment.metadata, self._secrets, self._ledger)
        with self._recording.database() as connection:
            row = checkouts.find(connection, carried.purchase_id) if carried else None
            row = row or checkouts.find_payment(connection, provider, payment.payment_id, payment.reference)
        return Agreed(row, carried)

    def _paid(self, provider: str, payment: Payment, agreed: Agreed, terms: PaymentTerms) -> str:
        row = agreed.row
        reason = _mismatch(provider, payment, agreed, terms) or self._paid_before(payment, terms)
        if reason is not None:
            return self._refuse(provider, payment, agreed, terms, reason)
        if row is not None and row.state == "credited" and not self._was_lost(row, terms):
            return "already"
        recorded = self._recording.record(payment_events.purchased(provider, payment, terms))
        self._note(provider, payment, row, terms)
        return "credited" if recorded else "already"

    def _was_lost(self, row: Checkout, terms: PaymentTerms) -> bool:
        """The row says that the log has it. The log can lose what it had, and then it is appended again."""
        event_id = payment_events.purchase_event_id(terms.account_id, terms.purchase_id)
        with self._recording.database() as connection:
            return was_lost(connection, row.checkout_id, event_id)

    def _paid_before(self, payment: Payment, terms: PaymentTerms) -> str | None:
        """A trigger is one payment. Should there ever be another one, people have to give it back."""
        if terms.trigger_id is None:
            return None
        with self._recording.database() as connection:
            before = top_up_triggers.paid_by(connection, terms.trigger_id)
        return "paid_twice" if before not in (None, payment.payment_id) else None

    def _refuse(self, provider: str, payment: Payment, agreed: Agreed, terms: PaymentTerms, reason: str) -> str:
        if agreed.row is not None:
            with self._recording.database() as connection:
                checkouts.ended(connection, agreed.row.checkout_id, "mismatched", None)
        said = {"currency": payment.currency, "amount_minor": payment.amount_minor}
        known = {"row": agreed.row and terms_of_row(agreed.row)._asdict(), "carried": terms._asdict()}
        return self._recording.alert(provider, payment.payment_id, reason, terms.account_id, paid=said, **known)

    def _note(self, provider: str, payment: Payment, row: Checkout | None, terms: PaymentTerms) -> None:
        """What was credited stands in the row, also when that was lost. Auto top-ups have rows of their own."""
        with self._recording.database() as connection:
            if terms.trigger_id is not None:
                top_up_triggers.credited(connection, terms.trigger_id, payment.payment_id)
            elif row is not None:
                checkouts.credited(connection, row.checkout_id, payment.payment_id)
            elif terms.kind == "purchase":
                checkouts.restore(connection, _lost_row(provider, terms), payment.reference, payment.payment_id)

    def _failed(self, row: Checkout | None, payment: Payment) -> str:
        if row is None or not row.open:
            return "failed"
        with self._recording.database() as connection:
            if row.fields:  # it is paid on our page, where the customer may try another way
                checkouts.declined(connection, row.checkout_id, payment.failure)
                return "declined"
            state = "expired" if payment.failure == "expired" else "failed"
            checkouts.ended(connection, row.checkout_id, state, payment.failure)
        return state


def _mismatch(provider: str, payment: Payment, agreed: Agreed, terms: PaymentTerms) -> str | None:
    """Why it must not be credited."""
    row, carried = agreed
    if row is not None and row.provider != provider:
        return "other_provider"
    if row is not None and carried is not None and terms_of_row(row) != carried:
        return "other_account" if row.account_id != carried.account_id else "other_terms"
    if payment.currency != terms.currency:
        return "other_currency"
    if payment.amount_minor != terms.amount_minor:
        return "other_amount"
    if row is not None and row.state == "credited" and row.payment_id != payment.payment_id:
        return "paid_twice"
    return None


def _lost_row(provider: str, terms: PaymentTerms) -> NewCheckout:
    return NewCheckout(
        checkout_id=terms.purchase_id,
        request=None,
        account_id=terms.account_id,
        provider=provider,
        credits=terms.credits,
        currency=terms.currency,
        amount_minor=terms.amount_minor,
        tax_minor=terms.tax_minor,
        fx_rate=terms.fx_rate,
        description=description_of(terms.credits),
        method_id=None,
        return_url=None,
    )
