"""Rules number 1: what each type of event does. Once released these rules never change; the next ones get a new number.

What they call is part of them and as fixed: `rating`, `top_ups`, `calendar`, and `Version` of `book`.

Each rule answers with a `Change`; `apply` turns it into the next account, the entry and the effects.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from ledger.core import top_ups
from ledger.core.account import Account, CreditedPurchase, TopUps
from ledger.core.book import Version
from ledger.core.calendar import counted_in, month_of
from ledger.core.effects import effect_of
from ledger.core.entry import Applied, Context, Entry, Money
from ledger.core.errors import (
    AccountAlreadyOpened,
    AmountIsZero,
    AmountOutOfBounds,
    BalanceOutOfBounds,
    DisputeAlreadyOpen,
    ExceedsPurchase,
    NoOpenDispute,
    PurchaseAlreadyCredited,
    UnknownPackage,
    UnknownPurchase,
    WrongProvider,
    WrongPurchaseCurrency,
)
from ledger.core.rating import is_plausible, rate_traces, rate_usage, round_half_even
from schemas.effects import BalanceLevelChanged, Effect, LevelChange, Quarantine, UsageQuarantined
from schemas.events import (
    EVENT_TYPES,
    AccountOpened,
    AccountPackageChanged,
    Adjustment,
    AutoTopUpConfigured,
    AutoTopUpFailed,
    AutoTopUpRechecked,
    AutoTopUpRequested,
    AutoTopUpResumed,
    CreditsAdjusted,
    CreditsPurchased,
    CreditsRefunded,
    Dispute,
    DisputeClosed,
    DisputeOpened,
    DisputeOutcome,
    Invoice,
    InvoiceIssued,
    LogRecovered,
    LogRecovery,
    Opening,
    PackageChange,
    Payout,
    PayoutReceived,
    Purchase,
    Recheck,
    Refund,
    Resumption,
    TopUpFailure,
    TopUpPolicy,
    TopUpRequest,
    Trace,
    TraceRecorded,
    Usage,
    UsageAcceptance,
    UsageAccepted,
    UsageDecision,
    UsageDropped,
    UsageRecorded,
)
from schemas.money import format_nanos, parse_nanos

NUMBER = 1
# The largest amount that the schemas allow, so that every effect can carry its balance.
BALANCE_NANOS_MAX = 10**18 - 1


Data_co = TypeVar("Data_co", covariant=True)


class Change(NamedTuple):
    """What a rule decides. `account`: with all changes except balance, sequence number, time and level.

    `may_trigger`: auto top-up is checked after the event. `funds`: what it compares with its threshold; None: the
    balance.
    """

    account: Account
    amount: int = 0
    cost: int = 0
    free_traces: int = 0
    money: Money | None = None
    may_trigger: bool = False
    funds: int | None = None
    effects: tuple[Effect, ...] = ()


def apply(account: Account, context: Context) -> Applied:
    """The fold of one fact by these rules. Raises `Refused`."""
    # Tuples are unpacked and built by position here, because this runs for every event (docs/decisions/0003).
    fact, log_time_ms, version = context
    event = fact.event
    if account.seq == 0:
        account = account._replace(level=version.level_of(0), package=version.default_package)
    changed, amount, cost, free_traces, money, may_trigger, funds, effects = _RULES[event.type](
        account, event.data, context
    )
    account_id, before, seq, _, level_before, package, opened, month, month_traces, machine, purchases = changed
    balance = before + amount
    _check_bounds(amount, balance, version)
    if may_trigger and machine.policy is not None:
        machine, triggered = top_ups.checked(machine, balance if funds is None else funds, context)
        effects += triggered
    level = version.level_of(balance)
    if level != level_before and event.type != "payout.received":  # a provider is no customer
        effects += (_level_change(level_before, level, balance, context),)
    seq += 1
    if machine is not account.top_ups and _moved(account.top_ups, machine):
        machine = machine._replace(since_seq=seq)
    return Applied(
        Account(account_id, balance, seq, log_time_ms, level, package, opened, month, month_traces, machine, purchases),
        Entry(fact, log_time_ms, seq, amount, balance, cost, free_traces, money, version.number, NUMBER),
        effects,
    )


def _moved(before: TopUps, after: TopUps) -> bool:
    """Whether the machine has another policy, is in another state, or has another trigger in flight."""
    return (before.policy, before.state, before.trigger_id) != (after.policy, after.state, after.trigger_id)


def _usage(account: Account, data: Usage, context: Context) -> Change:
    version = context.version
    cost, charge = rate_usage(data, version, context.log_time_ms, context.fact.event.time)
    if not is_plausible(charge, version):
        return _kept_aside(account, data, charge, context)
    return Change(account, -charge, cost, 0, None, True)


def _kept_aside(account: Account, data: Usage, charge: int, context: Context) -> Change:
    """An entry without a charge: the usage has its place in the history, and its id is taken."""
    _check_amount(charge, context.version)
    quarantine = Quarantine(
        event_id=context.fact.event_id,
        signed=context.fact.key_id is not None,
        request_id=data.request_id,
        provider=data.provider,
        model=data.model,
        charge=format_nanos(charge),
        bound=format_nanos(context.version.usage_nanos_max),
    )
    return Change(account, effects=(effect_of(UsageQuarantined, quarantine, context),))


def _usage_accepted(account: Account, data: UsageAcceptance, context: Context) -> Change:
    cost, charge = rate_usage(data.usage, context.version, context.log_time_ms, context.fact.event.time)
    return Change(account, -charge, cost, may_trigger=True)


def _usage_dropped(account: Account, data: UsageDecision, context: Context) -> Change:
    return Change(account)


def _trace(account: Account, data: Trace, context: Context) -> Change:
    month = month_of(context.log_time_ms)
    before = counted_in(month, account.month, account.month_traces)
    included = max(context.version.packages.get(account.package, 0) - before, 0)
    free = min(data.count, included)
    amount = -rate_traces(data.count - free, context.version)
    after = account._replace(month=month, month_traces=before + data.count)
    return Change(after, amount=amount, free_traces=free, may_trigger=True)


def _purchased(account: Account, data: Purchase, context: Context) -> Change:
    if data.purchase_id in account.purchases:
        raise PurchaseAlreadyCredited(data.purchase_id, field="data.purchase_id")
    credits = _positive(parse_nanos(data.credits), "data.credits")
    charged = data.charged
    purchase = CreditedPurchase(
        data.purchase_id, credits, data.provider, charged.currency, charged.amount_minor, charged.tax_minor
    )
    machine = top_ups.purchased(account.top_ups, data, context)
    return Change(
        account.with_purchase(purchase)._replace(top_ups=machine),
        amount=credits,
        money=Money(data.provider, charged.currency, charged.amount_minor, charged.tax_minor),
        may_trigger=True,
    )


def _refunded(account: Account, data: Refund, context: Context) -> Change:
    purchase = _purchase(account, data.purchase_id)
    credits = _positive(parse_nanos(data.credits), "data.credits")
    charged = data.charged
    if charged.currency != purchase.currency:
        raise WrongPurchaseCurrency(charged.currency, field="data.charged.currency")
    if credits > purchase.left:
        raise ExceedsPurchase(f"{format_nanos(purchase.left)} credits are left", field="data.credits")
    if charged.amount_minor > purchase.left_minor:
        raise ExceedsPurchase(f"{purchase.left_minor} minor units are left", field="data.charged.amount_minor")
    after = purchase._replace(
        refunded=purchase.refunded + credits, refunded_minor=purchase.refunded_minor + charged.amount_minor
    )
    money = Money(purchase.provider, purchase.currency, -charged.amount_minor, -charged.tax_minor)
    return Change(account.with_purchase(after), amount=-credits, money=money)


def _dispute_opened(account: Account, data: Dispute, context: Context) -> Change:
    purchase = _purchase(account, data.purchase_id)
    credits = _positive(parse_nanos(data.credits), "data.credits")
    if purchase.disputed:
        raise DisputeAlreadyOpen(purchase.purchase_id, field="data.purchase_id")
    if credits > purchase.left:
        raise ExceedsPurchase(f"{format_nanos(purchase.left)} credits are left", field="data.credits")
    # The bank takes the disputed share of what was paid, and never more than what has not been returned already.
    share = round_half_even(purchase.amount_minor * credits, purchase.credits)
    minor = min(share, purchase.left_minor)
    after = purchase._replace(disputed=credits, disputed_minor=minor)
    machine = account.top_ups._replace(open_disputes=account.top_ups.open_disputes + 1)
    money = Money(purchase.provider, purchase.currency, -minor)
    return Change(account.with_purchase(after)._replace(top_ups=machine), amount=-credits, money=money)


def _dispute_closed(account: Account, data: DisputeOutcome, context: Context) -> Change:
    purchase = _purchase(account, data.purchase_id)
    if not purchase.disputed:
        raise NoOpenDispute(purchase.purchase_id, field="data.purchase_id")
    machine = account.top_ups._replace(open_disputes=account.top_ups.open_disputes - 1)
    after = purchase._replace(disputed=0, disputed_minor=0)
    if data.outcome == "lost":
        after = after._replace(
            lost=purchase.lost + purchase.disputed, lost_minor=purchase.lost_minor + purchase.disputed_minor
        )
        return Change(account.with_purchase(after)._replace(top_ups=machine))
    money = Money(purchase.provider, purchase.currency, purchase.disputed_minor)
    return Change(account.with_purchase(after)._replace(top_ups=machine), amount=purchase.disputed, money=money)


def _adjusted(account: Account, data: Adjustment, context: Context) -> Change:
    amount = parse_nanos(data.amount)
    if amount == 0:
        raise AmountIsZero(field="data.amount")
    return Change(account, amount=amount)


def _configured(account: Account, data: TopUpPolicy, context: Context) -> Change:
    machine = top_ups.configured(account.top_ups, data, account.balance, context)
    return Change(account._replace(top_ups=machine), may_trigger=True)


def _failed(account: Account, data: TopUpFailure, context: Context) -> Change:
    machine, effects = top_ups.failed(account.top_ups, data, context)
    return Change(account._replace(top_ups=machine), effects=effects)


def _resumed(account: Account, data: Resumption, context: Context) -> Change:
    return Change(account._replace(top_ups=top_ups.resumed(account.top_ups)), may_trigger=True)


def _requested(account: Account, data: TopUpRequest, context: Context) -> Change:
    funds = parse_nanos(data.available)
    if data.balance is not None:
        # Credits that were added since the refusal are available, too: above the threshold no card is charged.
        funds += max(account.balance - parse_nanos(data.balance), 0)
    return Change(account, may_trigger=True, funds=funds)


def _rechecked(account: Account, data: Recheck, context: Context) -> Change:
    return Change(account._replace(top_ups=top_ups.rechecked(account.top_ups)), may_trigger=True)


def _opened(account: Account, data: Opening, context: Context) -> Change:
    if account.opened:
        raise AccountAlreadyOpened(account.account_id, field="subject")
    package = _known_package(data.package or account.package, context)
    return Change(account._replace(opened=True, package=package))


def _package_changed(account: Account, data: PackageChange, context: Context) -> Change:
    return Change(account._replace(package=_known_package(data.package, context)))


def _invoice_issued(account: Account, data: Invoice, context: Context) -> Change:
    _purchase(account, data.purchase_id)
    return Change(account)


def _payout_received(account: Account, data: Payout, context: Context) -> Change:
    if context.fact.event.subject != f"provider:{data.provider}":
        raise WrongProvider(data.provider, field="data.provider")
    return Change(
        account,
        money=Money(data.provider, data.currency, -(data.amount_minor + data.fee_minor), fee_minor=data.fee_minor),
    )


def _log_recovered(account: Account, data: LogRecovery, context: Context) -> Change:
    return Change(account)


class _EventWith(Protocol[Data_co]):
    """A type of event, with the data that its rule takes."""

    @property
    def data(self) -> Data_co: ...


Rule = Callable[[Account, Any, Context], Change]
_NAMES: dict[type[Any], str] = {kind: name for name, kind in EVENT_TYPES.items()}


def _rule(kind: type[_EventWith[Data_co]], rule: Callable[[Account, Data_co, Context], Change]) -> tuple[str, Rule]:
    """A line of the table: a rule that takes the data of another type of event is an error of mypy."""
    return _NAMES[kind], rule


_RULES: dict[str, Rule] = dict(
    (
        _rule(UsageRecorded, _usage),
        _rule(TraceRecorded, _trace),
        _rule(UsageAccepted, _usage_accepted),
        _rule(UsageDropped, _usage_dropped),
        _rule(CreditsPurchased, _purchased),
        _rule(CreditsRefunded, _refunded),
        _rule(DisputeOpened, _dispute_opened),
        _rule(DisputeClosed, _dispute_closed),
        _rule(CreditsAdjusted, _adjusted),
        _rule(AutoTopUpConfigured, _configured),
        _rule(AutoTopUpFailed, _failed),
        _rule(AutoTopUpResumed, _resumed),
        _rule(AutoTopUpRequested, _requested),
        _rule(AutoTopUpRechecked, _rechecked),
        _rule(AccountOpened, _opened),
        _rule(AccountPackageChanged, _package_changed),
        _rule(InvoiceIssued, _invoice_issued),
        _rule(PayoutReceived, _payout_received),
        _rule(LogRecovered, _log_recovered),
    )
)


def _level_change(previous: str, level: str, balance: int, context: Context) -> Effect:
    data = LevelChange(previous=previous, level=level, balance=format_nanos(balance))
    return effect_of(BalanceLevelChanged, data, context)


def _check_bounds(amount: int, balance: int, version: Version) -> None:
    _check_amount(abs(amount), version)
    if abs(balance) > BALANCE_NANOS_MAX:
        raise BalanceOutOfBounds()


def _check_amount(amount: int, version: Version) -> None:
    if amount > version.event_nanos_max:
        raise AmountOutOfBounds(f"at most {format_nanos(version.event_nanos_max)} credits")


def _purchase(account: Account, purchase_id: str) -> CreditedPurchase:
    purchase = account.purchases.get(purchase_id)
    if purchase is None:
        raise UnknownPurchase(purchase_id, field="data.purchase_id")
    return purchase


def _positive(nanos: int, field: str) -> int:
    if nanos == 0:
        raise AmountIsZero(field=field)
    return nanos


def _known_package(name: str, context: Context) -> str:
    if name not in context.version.packages:
        raise UnknownPackage(name, field="data.package")
    return name
