"""The account's balance: each movement with its fee, until a payout takes it to the bank."""

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import DatedListParams, Params
from ledger.sandbox.stripe.stripe_account import StripeAccount

DISPUTE_FEE = 1500
_PAID_OUT = "stripe.paid_out"  # the payout of each movement


class Movements(DatedListParams):
    """Parameters of a list of movements: all, or those of one payout."""

    currency: str | None = None
    payout: str | None = None
    source: str | None = None
    type: str | None = None


def fee_of(amount: int) -> int:
    """Stripe's fee for a payment: 2.9 % and 30, in minor units."""
    return (amount * 29 + 500) // 1000 + 30


def move(
    account: StripeAccount, type_: str, source: Document, amount: int, fee: int = 0, description: str | None = None
) -> Document:
    """Records the movement that `source` caused. `amount`: signed, in minor units of its currency."""
    return account.make(
        "balance_transaction",
        amount=amount,
        available_on=account.now,
        balance_type="payments",
        currency=source["currency"],
        description=description,
        exchange_rate=None,
        fee=fee,
        fee_details=[
            {
                "amount": fee,
                "application": None,
                "currency": source["currency"],
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        ]
        if fee
        else [],
        net=amount - fee,
        reporting_category=type_,
        source=source["id"],
        status="available",
        type=type_,
    )


def not_paid_out(account: StripeAccount, currency: str) -> list[Document]:
    """The movements that no payout has taken."""
    store = account.sandbox.store
    return [
        each
        for each in account.find("balance_transaction", currency=currency)
        if store.get(_PAID_OUT, each["id"]) is None
    ]


def pay_out(account: StripeAccount, payout_id: str, movements: list[Document]) -> None:
    """Records that the payout has taken these movements."""
    for each in movements:
        account.sandbox.store.put(_PAID_OUT, {"id": each["id"], "payout": payout_id})


def list_(account: StripeAccount, params: Movements) -> Document:
    """Movements, newest first."""
    asked = params.model_dump(include={"currency", "source", "type"}, exclude_none=True)
    found = list(account.find("balance_transaction", **asked))
    if params.payout:
        account.get("payout", params.payout, "payout")
        taken = {each["id"] for each in account.sandbox.store.find(_PAID_OUT, payout=params.payout)}
        found = [each for each in found if each["id"] in taken]
    return account.page("/v1/balance_transactions", found, params)


def retrieve(account: StripeAccount, _params: Params, id: str) -> Document:
    """One movement."""
    return account.get("balance_transaction", id)


OPERATIONS = (
    Operation("balance_transactions.list", "GET", "/v1/balance_transactions", Movements, list_),
    Operation("balance_transactions.retrieve", "GET", "/v1/balance_transactions/{id}", Params, retrieve),
)
