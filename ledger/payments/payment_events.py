"""The event of each payment, refund, dispute, payout and top-up: one pure function per event.

Ids follow from the purchase or from the provider's id, times are the provider's. So webhook, return page, sweep and
charger build the same bytes for the same payment, and it counts once.
"""

from datetime import UTC, datetime

from ledger.core.pricing import refund_share
from ledger.core.top_up_attempts import FailedAttempt
from ledger.payments import gateway
from ledger.payments.payment_terms import PaymentTerms
from ledger.reports.descriptions import describe
from schemas.effects import Window
from schemas.events import (
    AutoTopUpFailed,
    AutoTopUpRechecked,
    AutoTopUpResumed,
    Charged,
    CreditsPurchased,
    CreditsRefunded,
    Dispute,
    DisputeClosed,
    DisputeOpened,
    DisputeOutcome,
    Payout,
    PayoutReceived,
    Purchase,
    Recheck,
    Refund,
    Resumption,
    TopUpFailure,
)
from schemas.identity import derived_id
from schemas.money import format_nanos

SOURCE = "ledger/payments"


def purchase_event_id(account_id: str, purchase_id: str) -> str:
    """The id of the one event that can credit a purchase."""
    return derived_id(account_id, "credits.purchased", purchase_id)


def refund_event_id(account_id: str, provider: str, refund_id: str) -> str:
    """The id of the one event that can debit a refund."""
    return derived_id(account_id, "credits.refunded", provider, refund_id)


def dispute_event_id(account_id: str, provider: str, dispute_id: str) -> str:
    """The id of the one event that can open a dispute."""
    return derived_id(account_id, "dispute.opened", provider, dispute_id)


def purchased(provider: str, payment: gateway.Payment, terms: PaymentTerms) -> CreditsPurchased:
    """The event of a payment that is paid, on its terms."""
    data = Purchase(
        purchase_id=terms.purchase_id,
        kind=terms.kind,
        credits=format_nanos(terms.credits),
        provider=provider,
        provider_payment_id=payment.payment_id,
        charged=Charged(currency=terms.currency, amount_minor=terms.amount_minor, tax_minor=terms.tax_minor),
        fx_rate=terms.fx_rate,
        trigger_id=terms.trigger_id,
    )
    # As the history shows it; on the log, so that other readers of the log have it, too.
    description = describe("credits.purchased", data.model_dump())
    return CreditsPurchased(
        source=SOURCE,
        id=purchase_event_id(terms.account_id, terms.purchase_id),
        subject=terms.account_id,
        time=payment.created,
        data=data.model_copy(update={"description": description}),
    )


def refunded(provider: str, refund: gateway.Refund, terms: PaymentTerms) -> CreditsRefunded:
    """The event of a refund that succeeded: its share of the credits and of the tax. Raises ExceedsPurchase."""
    amounts = (terms.amount_minor, refund.before_minor, refund.amount_minor)
    data = Refund(
        purchase_id=terms.purchase_id,
        provider_refund_id=refund.refund_id,
        credits=format_nanos(refund_share(terms.credits, *amounts)),
        charged=Charged(
            currency=refund.currency,
            amount_minor=refund.amount_minor,
            tax_minor=refund_share(terms.tax_minor, *amounts),
        ),
    )
    id_ = refund_event_id(terms.account_id, provider, refund.refund_id)
    return CreditsRefunded(source=SOURCE, id=id_, subject=terms.account_id, time=refund.created, data=data)


def dispute_opened(provider: str, dispute: gateway.Dispute, terms: PaymentTerms, credits: int) -> DisputeOpened:
    """The event of a new dispute about `credits` nanos of the purchase."""
    id_ = dispute_event_id(terms.account_id, provider, dispute.dispute_id)
    data = Dispute(purchase_id=terms.purchase_id, credits=format_nanos(credits))
    return DisputeOpened(source=SOURCE, id=id_, subject=terms.account_id, time=dispute.created, data=data)


def dispute_closed(provider: str, dispute: gateway.Dispute, terms: PaymentTerms) -> DisputeClosed:
    """The event of a dispute that is won or lost."""
    id_ = derived_id(terms.account_id, "dispute.closed", provider, dispute.dispute_id)
    outcome = DisputeOutcome(purchase_id=terms.purchase_id, outcome="won" if dispute.status == "won" else "lost")
    return DisputeClosed(source=SOURCE, id=id_, subject=terms.account_id, time=dispute.created, data=outcome)


def payout_received(provider: str, payout: gateway.Payout) -> PayoutReceived:
    """The event of a payout that arrived at our bank."""
    subject = f"provider:{provider}"
    data = Payout(
        provider=provider,
        payout_id=payout.payout_id,
        currency=payout.currency,
        amount_minor=payout.amount_minor,
        fee_minor=payout.fee_minor,
    )
    id_ = derived_id(subject, "payout.received", payout.payout_id)
    return PayoutReceived(source=SOURCE, id=id_, subject=subject, time=payout.created, data=data)


def top_up_failed(account_id: str, trigger_id: str, failure: FailedAttempt, time: datetime) -> AutoTopUpFailed:
    """The event of an attempt that certainly failed; one per attempt."""
    data = TopUpFailure(trigger_id=trigger_id, reason_code=failure.reason_code, suspended=failure.suspended)
    ends = "suspended" if failure.suspended else "declined"
    id_ = derived_id(account_id, "auto_top_up.failed", trigger_id, str(failure.attempt), ends)
    return AutoTopUpFailed(source=SOURCE, id=id_, subject=account_id, time=time, data=data)


def top_up_resumed(account_id: str, since_seq: int, reason_code: str, time: datetime) -> AutoTopUpResumed:
    """The event that ends the suspension which the entry `since_seq` began; one per suspension."""
    id_ = derived_id(account_id, "auto_top_up.resumed", str(since_seq))
    data = Resumption(reason_code=reason_code)
    return AutoTopUpResumed(source=SOURCE, id=id_, subject=account_id, time=time, data=data)


def top_up_rechecked(account_id: str, window: Window, time: datetime) -> AutoTopUpRechecked:
    """The event that a cap's window has opened: the UTC day or month of `time`; one per account and window."""
    which = f"{time.astimezone(UTC):%Y-%m-%d}" if window == "day" else f"{time.astimezone(UTC):%Y-%m}"
    id_ = derived_id(account_id, "auto_top_up.rechecked", window, which)
    return AutoTopUpRechecked(source=SOURCE, id=id_, subject=account_id, time=time, data=Recheck(window=window))
