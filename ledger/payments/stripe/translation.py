"""Translates Stripe's objects to ours. Pure: an object of a webhook and of an answer give the same result."""

from collections.abc import Iterable
from datetime import UTC, datetime

import stripe

from ledger.payments.gateway import Dispute, DisputeStatus, Method, Payment, PaymentStatus, Payout, Refund, RefundStatus
from ledger.payments.stripe.declines import decline_of, failure_code

# Metadata of a payment that is made on the hosted page. After a decline the customer can try another card there.
ON_PAGE = {"begun_on": "checkout_page"}

_REFUND: dict[str | None, RefundStatus] = {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}
# Inquiries (`warning_…`) and disputes that were prevented take no money back.
_DISPUTE: dict[str, DisputeStatus] = {
    "needs_response": "open",
    "under_review": "open",
    "appeal_needs_response": "open",
    "appeal_under_review": "open",
    "won": "won",
    "lost": "lost",
}


def payment_of(intent: stripe.PaymentIntent, session: stripe.checkout.Session | None = None) -> Payment:
    """A payment that was tried. `session`: the hosted page that it was made on, if known."""
    metadata = intent.metadata.to_dict()
    on_page = session.status == "open" if session else metadata.items() >= ON_PAGE.items()
    failure = intent.last_payment_error.to_dict() if intent.last_payment_error and intent.status != "succeeded" else {}
    return Payment(
        payment_id=intent.id,
        reference=_reference(intent, session, on_page),
        status=_status(intent, on_page),
        currency=intent.currency.upper(),
        amount_minor=intent.amount_received if intent.status == "succeeded" else intent.amount,
        created=time_of(intent.created),
        metadata=metadata,
        action_url=_action_url(intent, session),
        failure=failure_code(failure) if failure else None,
        decline=decline_of(failure) if failure else None,
    )


def payment_of_untried_page(session: stripe.checkout.Session) -> Payment:
    """A hosted page on which no payment was tried. Stripe has no payment yet, so the page's id is used."""
    expired = session.status == "expired"
    return Payment(
        payment_id=session.id,
        reference=session.id,
        status="failed" if expired else "pending",
        currency=(session.currency or "").upper(),
        amount_minor=session.amount_total or 0,
        created=time_of(session.created),
        metadata=session.metadata.to_dict() if session.metadata else {},
        action_url=session.url,
        failure="expired" if expired else None,
    )


def refund_of(refund: stripe.Refund, of_payment: Iterable[stripe.Refund]) -> Refund:
    """A refund, with the sum of earlier ones. `of_payment`: all refunds of the payment, in any order."""
    earlier = (other for other in of_payment if (other.created, other.id) < (refund.created, refund.id))
    return Refund(
        refund_id=refund.id,
        payment_id=id_of(refund.payment_intent) or "",
        status=_refund_status(refund),
        currency=refund.currency.upper(),
        amount_minor=refund.amount,
        before_minor=sum(other.amount for other in earlier if _refund_status(other) != "failed"),
        created=time_of(refund.created),
    )


def dispute_of(dispute: stripe.Dispute) -> Dispute | None:
    """A dispute that takes money back; None for inquiries, and for disputes without a payment."""
    status, payment_id = _DISPUTE.get(dispute.status), id_of(dispute.payment_intent)
    if status is None or payment_id is None:
        return None
    return Dispute(dispute.id, payment_id, status, dispute.currency.upper(), dispute.amount, time_of(dispute.created))


def payout_of(payout: stripe.Payout, movements: Iterable[stripe.BalanceTransaction]) -> Payout:
    """A payout and its fees: those of each payment, and those that Stripe takes as separate movements."""
    fees = sum(moved.fee - (moved.amount if moved.type == "stripe_fee" else 0) for moved in movements)
    return Payout(payout.id, payout.currency.upper(), payout.amount, fees, time_of(payout.created))


def method_of(method: stripe.PaymentMethod, default_id: str | None) -> Method:
    """A saved method; details such as the brand are under the name of its kind."""
    details = method.to_dict().get(method.type) or {}
    return Method(
        method_id=method.id,
        kind=method.type,
        brand=details.get("brand"),
        last4=details.get("last4"),
        expires_month=details.get("exp_month"),
        expires_year=details.get("exp_year"),
        default=method.id == default_id,
    )


def id_of(thing: str | stripe.PaymentIntent | stripe.Customer | stripe.PaymentMethod | None) -> str | None:
    """The id of an object that Stripe gives as an id or, expanded, as a whole."""
    return thing if thing is None or isinstance(thing, str) else thing.id


def time_of(seconds: int) -> datetime:
    """A time of Stripe's, which is in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def _status(intent: stripe.PaymentIntent, on_page: bool) -> PaymentStatus:
    if intent.status == "succeeded":
        return "paid"
    if intent.status == "canceled":
        return "failed"
    declined = intent.status == "requires_payment_method" and intent.last_payment_error is not None
    return "failed" if declined and not on_page else "pending"


def _reference(intent: stripe.PaymentIntent, session: stripe.checkout.Session | None, on_page: bool) -> str | None:
    """The hosted page's id, or the payment's own. A payment does not tell which page it was made on."""
    if session:
        return session.id
    return None if on_page else intent.id


def _action_url(intent: stripe.PaymentIntent, session: stripe.checkout.Session | None) -> str | None:
    if session and session.status == "open":
        return session.url
    redirect = intent.next_action.to_dict().get("redirect_to_url") if intent.next_action else None
    return redirect["url"] if redirect else None


def _refund_status(refund: stripe.Refund) -> RefundStatus:
    return _REFUND.get(refund.status, "pending")
