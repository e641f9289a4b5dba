"""The state of one account: what all its events so far add up to. Immutable; a fold returns another one.

Amounts are nanos, times are log milliseconds, money of a provider is minor units of its currency.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from schemas.events import Sizing
from schemas.states import TopUpState


class Policy(NamedTuple):
    """When auto top-up buys, and how much, in nanos. A cap of None: no cap."""

    enabled: bool
    threshold: int
    amount: int
    sizing: Sizing
    cap_day: int | None
    cap_month: int | None
    provider: str | None
    payment_method_id: str | None


class TopUps(NamedTuple):
    """The auto-top-up machine: its policy, its state, and what it bought in the current UTC day and month.

    `trigger_id` and `credits` are of the trigger in flight. `reason`: why it is capped or suspended.
    `since_seq`: the entry that last changed its policy, its state or its trigger.
    """

    policy: Policy | None = None
    state: TopUpState = "armed"
    trigger_id: str | None = None
    credits: int = 0
    reason: str | None = None
    day: int = 0
    day_spent: int = 0
    month: int = 0
    month_spent: int = 0
    open_disputes: int = 0
    since_seq: int = 0


class CreditedPurchase(NamedTuple):
    """One purchase: its credits, the money that paid for them, and what was returned of both.

    `disputed` is in the one dispute that may be open at a time, `lost` in those that were decided against us.
    """

    purchase_id: str
    credits: int
    provider: str
    currency: str
    amount_minor: int
    tax_minor: int
    refunded: int = 0
    refunded_minor: int = 0
    disputed: int = 0
    disputed_minor: int = 0
    lost: int = 0
    lost_minor: int = 0

    @property
    def left(self) -> int:
        """Credits that are neither refunded, nor disputed, nor lost to a dispute."""
        return self.credits - self.refunded - self.disputed - self.lost

    @property
    def left_minor(self) -> int:
        """Money of the purchase that was not refunded, is not disputed, and was not lost to a dispute."""
        return self.amount_minor - self.refunded_minor - self.disputed_minor - self.lost_minor


NO_PURCHASES: Mapping[str, CreditedPurchase] = MappingProxyType({})


class Account(NamedTuple):
    """The state of an account. `purchases`: only those that the caller loaded because an event names them."""

    account_id: str
    balance: int = 0
    seq: int = 0
    log_time_ms: int = 0
    level: str = "ok"
    package: str = ""
    opened: bool = False
    month: int = 0
    month_traces: int = 0
    top_ups: TopUps = TopUps()
    purchases: Mapping[str, CreditedPurchase] = NO_PURCHASES

    def with_purchase(self, purchase: CreditedPurchase) -> "Account":
        """This account with one purchase added or replaced."""
        return self._replace(purchases={**self.purchases, purchase.purchase_id: purchase})
