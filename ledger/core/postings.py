"""Double entry: a table of what each type of event moves between which accounts, and the postings of an entry.

A posting belongs to one unit, CREDIT (in nanos) or a currency (in minor units); an entry's postings sum to zero in
each. The SQL view `views.postings` (ledger/views/schema.sql) has the same table; a test compares the two.
"""

from typing import NamedTuple

from ledger.core.entry import Entry, EntrySums

CREDIT = "CREDIT"


class Leg(NamedTuple):
    """One posting of the event types `types`: the sum of columns of an entry, each with its sign.

    An `account` with "{provider}" is one account for each provider. `money`: in the currency of the entry.
    """

    types: tuple[str, ...]
    account: str
    money: bool
    terms: tuple[tuple[str, int], ...]


_PURCHASE, _REFUND, _PAYOUT = ("credits.purchased",), ("credits.refunded",), ("payout.received",)
_DISPUTE = ("dispute.opened", "dispute.closed")
_USAGE, _TRACE, _ADJUSTMENT = ("usage.recorded", "usage.accepted"), ("trace.recorded",), ("credits.adjusted",)

LEGS = (
    Leg((*_USAGE, *_TRACE, *_PURCHASE, *_REFUND, *_DISPUTE, *_ADJUSTMENT), "customer_credits", False, (("amount", 1),)),
    Leg(_USAGE, "provider_cost", False, (("cost", 1),)),
    Leg(_USAGE, "markup", False, (("amount", -1), ("cost", -1))),
    Leg(_TRACE, "trace_revenue", False, (("amount", -1),)),
    Leg(_ADJUSTMENT, "adjustments", False, (("amount", -1),)),
    Leg(_PURCHASE, "purchases", False, (("amount", -1),)),
    Leg(_REFUND, "refunds", False, (("amount", -1),)),
    Leg(_DISPUTE, "disputes", False, (("amount", -1),)),
    Leg((*_PURCHASE, *_REFUND, *_DISPUTE, *_PAYOUT), "clearing:{provider}", True, (("clearing_minor", 1),)),
    Leg((*_PURCHASE, *_REFUND), "tax:{provider}", True, (("tax_minor", -1),)),
    Leg(_PURCHASE, "purchases:{provider}", True, (("clearing_minor", -1), ("tax_minor", 1))),
    Leg(_REFUND, "refunds:{provider}", True, (("clearing_minor", -1), ("tax_minor", 1))),
    Leg(_DISPUTE, "disputes:{provider}", True, (("clearing_minor", -1),)),
    Leg(_PAYOUT, "payouts:{provider}", True, (("clearing_minor", -1), ("fee_minor", -1))),
    Leg(_PAYOUT, "fees:{provider}", True, (("fee_minor", 1),)),
)


class Posting(NamedTuple):
    """`amount`: nanos of CREDIT, or minor units of a currency."""

    account: str
    unit: str
    amount: int


def postings_of(entry: Entry) -> list[Posting]:
    """The postings of an entry that are not zero."""
    postings = (_posting(leg, entry) for leg in LEGS if entry.fact.event.type in leg.types)
    return [posting for posting in postings if posting is not None and posting.amount]


def postings_of_sums(sums: EntrySums) -> list[Posting]:
    """The postings of many entries at once. A posting is a sum of columns, so sums of entries give sums of postings."""
    postings = (_posting_of_sums(leg, sums) for leg in LEGS if sums.type in leg.types)
    return [posting for posting in postings if posting.amount]


def _posting_of_sums(leg: Leg, sums: EntrySums) -> Posting:
    unit = sums.currency or "" if leg.money else CREDIT
    amount = sum(sign * getattr(sums, column) for column, sign in leg.terms)
    return Posting(leg.account.format(provider=sums.provider), unit, amount)


def _posting(leg: Leg, entry: Entry) -> Posting | None:
    if not leg.money:
        return Posting(leg.account, CREDIT, sum(sign * getattr(entry, column) for column, sign in leg.terms))
    money = entry.money
    if money is None:
        return None
    amount = sum(sign * getattr(money, column) for column, sign in leg.terms)
    return Posting(leg.account.format(provider=money.provider), money.currency, amount)
