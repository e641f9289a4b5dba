"""Translates Razorpay's entities to ours: which of its states mean paid, pending or failed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ledger.payments import gateway as ours
from ledger.payments.razorpay.entities import Dispute, Link, Order, Payment, Refund, Settlement

_REFUND_STATUS: Mapping[str, ours.RefundStatus] = {"processed": "succeeded", "failed": "failed"}
# closed: an inquiry of the bank was answered, and no money was taken.
_DISPUTE_STATUS: Mapping[str, ours.DisputeStatus] = {"won": "won", "closed": "won", "lost": "lost"}
_INQUIRY_PHASES = {"fraud", "retrieval"}
_LINK_ENDED = {"cancelled", "expired"}
_SETTLEMENT_CURRENCY = "INR"

# Reasons of a failed payment: https://razorpay.com/docs/errors/payments/list. After any other reason it is tried again.
_NOT_CONFIRMED = {"authentication_failed", "incorrect_otp", "invalid_otp", "payment_cancelled", "payment_timed_out"}
_METHOD_UNUSABLE = {
    "bank_account_invalid",
    "card_expired",
    "card_number_invalid",
    "debit_instrument_blocked",
    "debit_instrument_inactive",
}


def time_of(seconds: int) -> datetime:
    """A time of Razorpay's, which is in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def without_empty(**texts: str | None) -> dict[str, str]:
    """The fields that have a value."""
    return {name: text for name, text in texts.items() if text}


def notes_of(order: Order | None) -> Mapping[str, str]:
    """The metadata that we wrote: the notes of the order. The order of a payment link has the link's notes.

    Never the notes of a payment itself: they come from the customer's browser, which has seen signed terms of other
    purchases.
    """
    return order.notes if order else {}


def is_captured(payment: Payment) -> bool:
    """Whether the money was taken, even if it was refunded since."""
    return payment.status == "captured" or payment.captured is True


def payment_of(payment: Payment, order: Order | None) -> ours.Payment:
    """One attempt to pay. An authorization that was returned without a capture has failed: we never had the money."""
    status = _status(payment)
    failure = payment.error_reason or payment.error_code or payment.status if status == "failed" else None
    return ours.Payment(
        payment.id,
        payment.order_id,
        status,
        payment.currency,
        payment.amount,
        time_of(payment.created_at),
        notes_of(order),
        failure=failure,
        decline=_decline(failure) if failure else None,
    )


def _status(payment: Payment) -> ours.PaymentStatus:
    if is_captured(payment):
        return "paid"
    return "failed" if payment.status in ("failed", "refunded") else "pending"


def _decline(failure: str) -> ours.Decline:
    if failure in _NOT_CONFIRMED:
        return "authentication_required"
    return "hard" if failure in _METHOD_UNUSABLE else "soft"


def payment_of_untried_order(order: Order) -> ours.Payment:
    """An order without an attempt to pay. The order's id is used until there is a payment's id."""
    return ours.Payment(
        order.id, order.id, "pending", order.currency, order.amount, time_of(order.created_at), order.notes
    )


def decisive_payment(payments: Sequence[Payment]) -> Payment:
    """Of an order's payments, oldest first: the first that is captured, else the last pending one, else the last."""
    captured = [payment for payment in payments if is_captured(payment)]
    pending = [payment for payment in payments if _status(payment) == "pending"]
    return captured[0] if captured else (pending or payments)[-1]


def link_of(link: Link) -> ours.Payment:
    """A payment link that is not paid. The link's id is used until there is a payment's id."""
    ended = link.status in _LINK_ENDED
    return ours.Payment(
        link.id,
        link.id,
        "failed" if ended else "pending",
        link.currency,
        link.amount,
        time_of(link.created_at),
        link.notes,
        action_url=None if ended else link.short_url,
        failure=link.status if ended else None,
    )


def refund_of(refund: Refund, all_of_payment: Iterable[Refund]) -> ours.Refund:
    """A refund, with the sum of the payment's earlier ones that did not fail."""
    before = sum(
        other.amount
        for other in all_of_payment
        if other.status != "failed" and (other.created_at, other.id) < (refund.created_at, refund.id)
    )
    status = _REFUND_STATUS.get(refund.status, "pending")
    return ours.Refund(
        refund.id, refund.payment_id, status, refund.currency, refund.amount, before, time_of(refund.created_at)
    )


def dispute_of(dispute: Dispute) -> ours.Dispute | None:
    """A dispute; None for an inquiry, which takes no money."""
    if dispute.phase in _INQUIRY_PHASES:
        return None
    status = _DISPUTE_STATUS.get(dispute.status, "open")
    return ours.Dispute(
        dispute.id, dispute.payment_id, status, dispute.currency, dispute.amount, time_of(dispute.created_at)
    )


def payout_of(settlement: Settlement) -> ours.Payout | None:
    """A settlement that arrived at our bank; None otherwise. `fee_minor`: Razorpay's fees and the tax on them."""
    if settlement.status != "processed":
        return None
    fee_minor = settlement.fees + settlement.tax
    return ours.Payout(
        settlement.id, _SETTLEMENT_CURRENCY, settlement.amount, fee_minor, time_of(settlement.created_at)
    )
