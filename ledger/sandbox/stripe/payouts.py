"""Payouts: the balance goes to the bank, less fees."""

from typing import Literal

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.balance import move, not_paid_out, pay_out
from ledger.sandbox.stripe.errors import invalid
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import DatedListParams, Params, TimeRange, Whole
from ledger.sandbox.stripe.stripe_account import StripeAccount

_DAY = 86400


class Payouts(DatedListParams):
    """Parameters of a list of payouts, by status or arrival date."""

    arrival_date: TimeRange | Whole | None = None
    status: Literal["pending", "in_transit", "paid", "failed", "canceled"] | None = None


def make(account: StripeAccount, currency: str) -> Document:
    """Pays the whole balance out at once. Raises ApiError if nothing is left after fees."""
    movements = not_paid_out(account, currency)
    amount = sum(each["net"] for each in movements)
    if amount <= 0:
        raise invalid("You have insufficient funds in your account to pay out.", code="balance_insufficient")
    payout = account.make("payout", amount=amount, currency=currency, **_fields(account.now))
    movement = move(account, "payout", payout, -amount, description="STRIPE PAYOUT")
    pay_out(account, payout["id"], [movement, *movements])
    payout = account.put(payout | {"balance_transaction": movement["id"]})
    account.emit("payout.created", payout | {"status": "in_transit"})
    account.emit("payout.paid", payout)
    return payout


def _fields(now: int) -> Document:
    return {
        "arrival_date": now // _DAY * _DAY,  # Stripe dates it at the beginning of the day (UTC)
        "automatic": True,
        "description": "STRIPE PAYOUT",
        "destination": "ba_sandbox",
        "failure_code": None,
        "failure_message": None,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "statement_descriptor": None,
        "status": "paid",
        "type": "bank_account",
    }


def retrieve(account: StripeAccount, _params: Params, payout: str) -> Document:
    """One payout."""
    return account.get("payout", payout)


def list_(account: StripeAccount, params: Payouts) -> Document:
    """Payouts, newest first."""
    asked = params.model_dump(include={"status"}, exclude_none=True)
    arrival = params.arrival_date
    bounds = TimeRange(gte=arrival, lte=arrival) if isinstance(arrival, int) else arrival or TimeRange()
    found = (each for each in account.find("payout", **asked) if bounds.holds(each["arrival_date"]))
    return account.page("/v1/payouts", found, params)


OPERATIONS = (
    Operation("payouts.list", "GET", "/v1/payouts", Payouts, list_),
    Operation("payouts.retrieve", "GET", "/v1/payouts/{payout}", Params, retrieve),
)
