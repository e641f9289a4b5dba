"""Razorpay's words in ours: which of its states are money that is there, on its way, or gone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ledger.payments import gateway as ours
from ledger.payments.razorpay.entities import Dispute, Link, Order, Payment, Refund, Settlement

_REFUND_STATUS: Mapping[str, ours.RefundStatus] = {"processed": "succeeded", "failed": "failed"}
# Closed: a question of the bank was answered; it took nothing.
_DISPUTE_STATUS: Mapping[str, ours.DisputeStatus] = {"won": "won", "closed": "won", "lost": "lost"}
_QUESTIONS = {"fraud", "retrieval"}
_LINK_OVER = {"cancelled", "expired"}
_SETTLED_IN = "INR"

# Reasons of a failed payment: https://razorpay.com/docs/errors/payments/list. Every other is worth another attempt.
_UNCONFIRMED = {"authentication_failed", "incorrect_otp", "invalid_otp", "payment_cancelled", "payment_timed_out"}
_NEVER_WITH_THIS = {
    "bank_account_invalid",
    "card_expired",
    "card_number_invalid",
    "debit_instrument_blocked",
    "debit_instrument_inactive",
}


def when(seconds: int) -> datetime:
    """The time of an entity."""
    return datetime.fromtimestamp(seconds, UTC)


def known(**texts: str | None) -> dict[str, str]:
    """What we know of somebody."""
    return {name: text for name, text in texts.items() if text}


def metadata_of(order: Order | None) -> Mapping[str, str]:
    """What we wrote: the notes of the order, which Razorpay gives the order of a payment link too.

    Never a payment's own: they come from the customer's browser, which has seen signed terms of other purchases.
    """
    return order.notes if order else {}


def is_captured(payment: Payment) -> bool:
    """Whether the money was taken, also when it was given back since."""
    return payment.status == "captured" or payment.captured is True


def payment_of(payment: Payment, order: Order | None) -> ours.Payment:
    """One attempt to pay. What was authorized and given back without a capture has failed: it never was our money."""
    status = _status(payment)
    failure = payment.error_reason or payment.error_code or payment.status if status == "failed" else None
    return ours.Payment(
        payment.id,
        payment.order_id,
        status,
        payment.currency,
        payment.amount,
        when(payment.created_at),
        metadata_of(order),
        failure=failure,
        decline=_decline(failure) if failure else None,
    )


def _status(payment: Payment) -> ours.PaymentStatus:
    if is_captured(payment):
        return "paid"
    return "failed" if payment.status in ("failed", "refunded") else "pending"


def _decline(failure: str) -> ours.Decline:
    if failure in _UNCONFIRMED:
        return "authentication_required"
    return "hard" if failure in _NEVER_WITH_THIS else "soft"


def unpaid(order: Order) -> ours.Payment:
    """An order that nobody tried to pay yet; its id stands where the payment's will be."""
    return ours.Payment(
        order.id, order.id, "pending", order.currency, order.amount, when(order.created_at), order.notes
    )


def telling(payments: Sequence[Payment]) -> Payment:
    """Of an order's attempts, oldest first: the first that was captured, else the last that may be, else the last."""
    captured = [payment for payment in payments if is_captured(payment)]
    pending = [payment for payment in payments if _status(payment) == "pending"]
    return captured[0] if captured else (pending or payments)[-1]


def link_of(link: Link) -> ours.Payment:
    """A payment link that is not paid. Its id stands where the payment's will be."""
    over = link.status in _LINK_OVER
    return ours.Payment(
        link.id,
        link.id,
        "failed" if over else "pending",
        link.currency,
        link.amount,
        when(link.created_at),
        link.notes,
        action_url=None if over else link.short_url,
        failure=link.status if over else None,
    )


def refund_of(refund: Refund, all_of_payment: Iterable[Refund]) -> ours.Refund:
    """A refund, after those of the same payment that are older and did not fail."""
    before = sum(
        other.amount
        for other in all_of_payment
        if other.status != "failed" and (other.created_at, other.id) < (refund.created_at, refund.id)
    )
    status = _REFUND_STATUS.get(refund.status, "pending")
    return ours.Refund(
        refund.id, refund.payment_id, status, refund.currency, refund.amount, before, when(refund.created_at)
    )


def dispute_of(dispute: Dispute) -> ours.Dispute | None:
    """A dispute; None while the bank only asks."""
    if dispute.phase in _QUESTIONS:
        return None
    status = _DISPUTE_STATUS.get(dispute.status, "open")
    return ours.Dispute(
        dispute.id, dispute.payment_id, status, dispute.currency, dispute.amount, when(dispute.created_at)
    )


def payout_of(settlement: Settlement) -> ours.Payout | None:
    """A settlement that arrived at our bank, else None. `fee_minor`: Razorpay's fees and the tax on them."""
    if settlement.status != "processed":
        return None
    fee_minor = settlement.fees + settlement.tax
    return ours.Payout(settlement.id, _SETTLED_IN, settlement.amount, fee_minor, when(settlement.created_at))
