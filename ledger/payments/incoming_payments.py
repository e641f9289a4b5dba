"""A payment that a provider reports: compared with what was agreed, and credited once.

What was agreed is in our row (records.checkouts) and, signed, in the provider's metadata. One of them is enough. Where
there are both they must be equal, and the payment must be what they say. Otherwise nothing is credited, and an alert
asks people to look at it.
"""

from typing import Literal, NamedTuple

from ledger.payments import payment_events
from ledger.payments.event_recorder import EventRecorder
from ledger.payments.gateway import Payment
from ledger.payments.gateways import Gateways, gateway_of
from ledger.payments.outcomes import CREDITED, PaymentOutcome
from ledger.payments.payment_alerts import MismatchReason
from ledger.payments.payment_terms import PaymentTerms, TermsForged, read_terms
from ledger.records import checkouts, top_up_triggers
from ledger.records.checkouts import Checkout, NewCheckout
from ledger.settings import Settings
from ledger.views.payments import was_lost
from schemas.money import format_nanos


class Agreement(NamedTuple):
    """What was agreed about a payment: our row, and the signed terms in the provider's metadata."""

    row: Checkout | None
    signed: PaymentTerms | None

    @property
    def terms(self) -> PaymentTerms | None:
        """The terms of the payment; None for a payment that this ledger did not ask for."""
        return self.signed or (terms_of_row(self.row) if self.row else None)


def terms_of_row(row: Checkout) -> PaymentTerms:
    """The terms that our row holds."""
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
    """What the provider shows a customer who buys this many nanos."""
    return f"{format_nanos(credits)} credits"


class IncomingPayments:
    """Credits what was paid, for all providers."""

    def __init__(self, settings: Settings, gateways: Gateways, recorder: EventRecorder) -> None:
        self._secrets, self._ledger = settings.secrets, settings.topic_prefix
        self._gateways, self._recorder = gateways, recorder

    def handle(self, provider: str, payment: Payment) -> PaymentOutcome:
        """Credits a payment that is paid, or notes how it failed. Raises LogUnavailable."""
        try:
            agreed = self._agreement(provider, payment)
        except TermsForged as error:
            if payment.status != "paid":
                return "ignored"
            return self._recorder.raise_alert(provider, payment.payment_id, "terms_forged", None, detail=str(error))
        if agreed.terms is None:
            return "ignored"
        match payment.status:
            case "pending":
                return "pending"
            case "failed":
                return self._note_failure(agreed.row, payment)
            case "paid":
                return self._credit(provider, payment, agreed, agreed.terms)

    def terms(self, provider: str, payment: Payment) -> PaymentTerms | None:
        """The terms that the payment was made on. Raises TermsForged."""
        return self._agreement(provider, payment).terms

    def credited_terms(self, provider: str, payment_id: str) -> PaymentTerms | None:
        """The terms of a payment whose purchase is on the log. None: the payment was never credited.

        A payment that is paid and not credited yet is credited here, so that its refund or dispute comes after it.
        Asks the provider where our row does not say that it was credited.
        """
        with self._recorder.database() as connection:
            row = checkouts.find_payment(connection, provider, payment_id, None)
        if row is not None and row.state == "credited":
            return terms_of_row(row)
        payment = gateway_of(self._gateways, provider).payment(payment_id)
        if payment.status != "paid" or self.handle(provider, payment) not in CREDITED:
            return None
        return self.terms(provider, payment)

    def _agreement(self, provider: str, payment: Payment) -> Agreement:
        signed = read_terms(payment.metadata, self._secrets, self._ledger)
        with self._recorder.database() as connection:
            row = checkouts.find(connection, signed.purchase_id) if signed else None
            row = row or checkouts.find_payment(connection, provider, payment.payment_id, payment.reference)
        return Agreement(row, signed)

    def _credit(self, provider: str, payment: Payment, agreed: Agreement, terms: PaymentTerms) -> PaymentOutcome:
        row = agreed.row
        reason = _mismatch(provider, payment, agreed, terms) or self._paid_twice(payment, terms)
        if reason is not None:
            return self._refuse(provider, payment, agreed, terms, reason)
        if row is not None and row.state == "credited" and not self._was_lost(row, terms):
            return "already"
        appended = self._recorder.append_once(payment_events.purchased(provider, payment, terms))
        self._note_credit(provider, payment, row, terms)
        return "credited" if appended else "already"

    def _was_lost(self, row: Checkout, terms: PaymentTerms) -> bool:
        """Whether the log has lost the event that our row says it has. Then the event is appended again."""
        event_id = payment_events.purchase_event_id(terms.account_id, terms.purchase_id)
        with self._recorder.database() as connection:
            return was_lost(connection, row.checkout_id, event_id)

    def _paid_twice(self, payment: Payment, terms: PaymentTerms) -> MismatchReason | None:
        """A trigger is paid once. People have to give a second payment of it back."""
        if terms.trigger_id is None:
            return None
        with self._recorder.database() as connection:
            earlier = top_up_triggers.paid_by(connection, terms.trigger_id)
        return "paid_twice" if earlier not in (None, payment.payment_id) else None

    def _refuse(
        self, provider: str, payment: Payment, agreed: Agreement, terms: PaymentTerms, reason: MismatchReason
    ) -> PaymentOutcome:
        if agreed.row is not None:
            with self._recorder.database() as connection:
                checkouts.mark_ended(connection, agreed.row.checkout_id, "mismatched", None)
        paid = {"currency": payment.currency, "amount_minor": payment.amount_minor}
        row = agreed.row and terms_of_row(agreed.row)._asdict()
        return self._recorder.raise_alert(
            provider, payment.payment_id, reason, terms.account_id, paid=paid, row=row, carried=terms._asdict()
        )

    def _note_credit(self, provider: str, payment: Payment, row: Checkout | None, terms: PaymentTerms) -> None:
        """Marks our row as credited, and writes it anew where it was lost. Auto top-ups have rows of their own."""
        with self._recorder.database() as connection:
            if terms.trigger_id is not None:
                top_up_triggers.mark_credited(connection, terms.trigger_id, payment.payment_id)
            elif row is not None:
                checkouts.mark_credited(connection, row.checkout_id, payment.payment_id)
            elif terms.kind == "purchase":
                checkouts.restore(connection, _lost_row(provider, terms), payment.reference, payment.payment_id)

    def _note_failure(self, row: Checkout | None, payment: Payment) -> PaymentOutcome:
        if row is None or not row.open:
            return "failed"
        with self._recorder.database() as connection:
            if row.fields:  # the customer pays on our page, and may try again there
                checkouts.mark_declined(connection, row.checkout_id, payment.failure)
                return "declined"
            state: Literal["expired", "failed"] = "expired" if payment.failure == "expired" else "failed"
            checkouts.mark_ended(connection, row.checkout_id, state, payment.failure)
        return state


def _mismatch(provider: str, payment: Payment, agreed: Agreement, terms: PaymentTerms) -> MismatchReason | None:
    """Why the payment must not be credited; None: it fits."""
    row, signed = agreed
    if row is not None and row.provider != provider:
        return "other_provider"
    if row is not None and signed is not None and terms_of_row(row) != signed:
        return "other_account" if row.account_id != signed.account_id else "other_terms"
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
