"""Every fact of `ledger.events`: one class per type, its `data` beside it.

Facts are past tense. Only `usage.recorded` and `trace.recorded` may come from a router; all others must be signed.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from schemas.envelope import Envelope
from schemas.fields import (
    Code,
    Currency,
    Frozen,
    Metadata,
    Minor,
    PaymentProvider,
    ProviderSubject,
    Text,
    Token,
    TokenCount,
    TraceCount,
    Uuid,
)
from schemas.money import Cost, Credits, SignedCredits

Mode = Literal["auto", "tier"]
PurchaseKind = Literal["purchase", "auto_top_up"]
Sizing = Literal["fixed", "target"]
ROUTER_TYPES = frozenset({"usage.recorded", "trace.recorded"})


class Charged(Frozen):
    """What the provider moved, in its own currency: `amount_minor` includes `tax_minor`."""

    currency: Currency
    amount_minor: Minor
    tax_minor: Minor = 0

    @model_validator(mode="after")
    def _tax_is_part_of_the_amount(self) -> "Charged":
        if self.tax_minor > self.amount_minor:
            raise ValueError("tax_minor must not exceed amount_minor")
        return self


class Usage(Frozen):
    """One model call. `cached_input_tokens` and `cache_write_tokens` are both part of `input_tokens`."""

    request_id: Token
    provider: Token
    model: Token
    mode: Mode
    input_tokens: TokenCount
    output_tokens: TokenCount
    cached_input_tokens: TokenCount | None = None
    cache_write_tokens: TokenCount | None = None
    provider_cost: Cost | None = None
    api_key_id: Token | None = None
    authorization_id: Token | None = None
    metadata: Metadata | None = None


class UsageRecorded(Envelope):
    """A model call happened; without `provider_cost` the book prices its tokens."""

    type: Literal["usage.recorded"] = "usage.recorded"
    data: Usage


class Trace(Frozen):
    trace_id: Token
    count: TraceCount


class TraceRecorded(Envelope):
    """Traces happened: free up to the package's included traces of the UTC month, then the trace price."""

    type: Literal["trace.recorded"] = "trace.recorded"
    data: Trace


class Purchase(Frozen):
    """Credits that a customer paid for. `fx_rate`: units of the paying currency for one credit, as charged."""

    purchase_id: Token
    kind: PurchaseKind
    credits: Credits
    provider: PaymentProvider
    provider_payment_id: Token
    charged: Charged
    fx_rate: Cost | None = None
    trigger_id: Uuid | None = None
    description: Text | None = None

    @model_validator(mode="after")
    def _a_top_up_names_its_trigger(self) -> "Purchase":
        if (self.kind == "auto_top_up") != (self.trigger_id is not None):
            raise ValueError("trigger_id belongs to kind auto_top_up, and is required there")
        return self


class CreditsPurchased(Envelope):
    """The provider says that money was paid; the account has the credits from this record on."""

    type: Literal["credits.purchased"] = "credits.purchased"
    data: Purchase


class Refund(Frozen):
    purchase_id: Token
    provider_refund_id: Token
    credits: Credits
    charged: Charged


class CreditsRefunded(Envelope):
    """Money of a purchase went back, and its credits with it; within what is left of that purchase."""

    type: Literal["credits.refunded"] = "credits.refunded"
    data: Refund


class Dispute(Frozen):
    purchase_id: Token
    credits: Credits


class DisputeOpened(Envelope):
    """The customer's bank took money back; the disputed credits are debited until it is decided."""

    type: Literal["dispute.opened"] = "dispute.opened"
    data: Dispute


class DisputeOutcome(Frozen):
    purchase_id: Token
    outcome: Literal["won", "lost"]


class DisputeClosed(Envelope):
    """The dispute was decided: `won` gives the credits back, `lost` leaves them debited."""

    type: Literal["dispute.closed"] = "dispute.closed"
    data: DisputeOutcome


class Adjustment(Frozen):
    amount: SignedCredits
    reason_code: Code
    actor_id: Token


class CreditsAdjusted(Envelope):
    """An operator corrected a balance; the only way the past is corrected."""

    type: Literal["credits.adjusted"] = "credits.adjusted"
    data: Adjustment


class TopUpPolicy(Frozen):
    """When and how much to buy. `amount`: the credits to add (fixed) or the balance to reach (target).

    `cap_day` and `cap_month` bound the credits bought by auto top-up in one UTC day and month.
    """

    enabled: bool
    threshold: Credits
    amount: Credits
    sizing: Sizing = "fixed"
    cap_day: Credits | None = None
    cap_month: Credits | None = None
    provider: PaymentProvider | None = None
    payment_method_id: Token | None = None
    actor_id: Token | None = None


class AutoTopUpConfigured(Envelope):
    """The account's auto-top-up policy from now on."""

    type: Literal["auto_top_up.configured"] = "auto_top_up.configured"
    data: TopUpPolicy


class TopUpFailure(Frozen):
    trigger_id: Uuid
    reason_code: Code
    suspended: bool = False


class AutoTopUpFailed(Envelope):
    """A charge was definitely declined; `suspended` says that the charger gave up."""

    type: Literal["auto_top_up.failed"] = "auto_top_up.failed"
    data: TopUpFailure


class Resumption(Frozen):
    reason_code: Code
    actor_id: Token | None = None


class AutoTopUpResumed(Envelope):
    """Somebody lifted the suspension, or the card changed."""

    type: Literal["auto_top_up.resumed"] = "auto_top_up.resumed"
    data: Resumption


class TopUpRequest(Frozen):
    """`balance`: what `available` was reckoned from, so that a request that comes late is not taken for a new one."""

    available: SignedCredits
    balance: SignedCredits | None = None


class AutoTopUpRequested(Envelope):
    """An authorization was refused; `available` is the balance less open holds at that moment."""

    type: Literal["auto_top_up.requested"] = "auto_top_up.requested"
    data: TopUpRequest


class Recheck(Frozen):
    window: Literal["day", "month"]


class AutoTopUpRechecked(Envelope):
    """A cap's UTC window has opened again."""

    type: Literal["auto_top_up.rechecked"] = "auto_top_up.rechecked"
    data: Recheck


class Opening(Frozen):
    package: Token | None = None


class AccountOpened(Envelope):
    """The account exists, with a package or the book's default one."""

    type: Literal["account.opened"] = "account.opened"
    data: Opening


class PackageChange(Frozen):
    package: Token


class AccountPackageChanged(Envelope):
    """Included traces follow another package from now on."""

    type: Literal["account.package_changed"] = "account.package_changed"
    data: PackageChange


class Invoice(Frozen):
    number: Token
    purchase_id: Token


class InvoiceIssued(Envelope):
    """An invoice number is taken, for ever."""

    type: Literal["invoice.issued"] = "invoice.issued"
    data: Invoice


class Payout(Frozen):
    provider: PaymentProvider
    payout_id: Token
    currency: Currency
    amount_minor: Minor
    fee_minor: Minor = 0


class PayoutReceived(Envelope):
    """The provider paid out to the bank: `amount_minor` arrived, `fee_minor` it kept."""

    subject: ProviderSubject
    type: Literal["payout.received"] = "payout.received"
    data: Payout


Event = (
    UsageRecorded
    | TraceRecorded
    | CreditsPurchased
    | CreditsRefunded
    | DisputeOpened
    | DisputeClosed
    | CreditsAdjusted
    | AutoTopUpConfigured
    | AutoTopUpFailed
    | AutoTopUpResumed
    | AutoTopUpRequested
    | AutoTopUpRechecked
    | AccountOpened
    | AccountPackageChanged
    | InvoiceIssued
    | PayoutReceived
)
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
EVENT_TYPES: dict[str, type[Event]] = {cls.model_fields["type"].default: cls for cls in Event.__args__}
