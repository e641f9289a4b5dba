"""Every fact of `ledger.events`: one class per type, its `data` beside it.

Facts are past tense. Only `usage.recorded` and `trace.recorded` may come from a router; all others must be signed.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from schemas.envelope import Envelope
from schemas.fields import (
    Attributes,
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
    described,
)
from schemas.money import Cost, Credits, SignedCredits
from schemas.units import Counts

Mode = Literal["auto", "tier"]
PurchaseKind = Literal["purchase", "auto_top_up"]
Sizing = Literal["fixed", "target"]
ROUTER_TYPES = frozenset({"usage.recorded", "trace.recorded"})


class Charged(Frozen):
    """Money that moved at the provider, in its currency."""

    currency: Annotated[Currency, described("The currency that was paid in.")]
    amount_minor: Annotated[Minor, described("The amount, tax included, in minor units: cents, paise.")]
    tax_minor: Annotated[Minor, described("The tax in it, at most `amount_minor`.")] = 0

    @model_validator(mode="after")
    def _tax_is_part_of_the_amount(self) -> "Charged":
        if self.tax_minor > self.amount_minor:
            raise ValueError("tax_minor must not exceed amount_minor")
        return self


class Usage(Frozen):
    """One model call, successful or not: what the provider counted."""

    request_id: Annotated[Token, described("The router's own id of the request, to search by.")]
    provider: Annotated[Token, described("Who ran the model, as the book's prices name it.")]
    model: Annotated[Token, described("The model, as the book's prices name it.")]
    mode: Annotated[Mode, described("How the router chose the model; each mode has its markup in the book.")]
    input_tokens: Annotated[TokenCount, described("All tokens that went in, cached ones too.")]
    output_tokens: Annotated[TokenCount, described("All tokens that came out, reasoning too.")]
    units: Annotated[
        Counts | None,
        described(
            "What else the provider counted, by unit: `cache_read_tokens`, `web_searches`, `audio_seconds` ... "
            "A narrower unit is part of the wider one: `cache_read_tokens` of `input_tokens`."
        ),
    ] = None
    attributes: Annotated[
        Attributes | None, described("What the call was served as, where its price differs: `service_tier`, `speed`.")
    ] = None
    provider_cost: Annotated[
        Cost | None, described("What the provider takes for the call, in credits. Absent: the book prices the counts.")
    ] = None
    extra_cost: Annotated[
        Cost | None, described("What the call cost besides, in credits, for what only the router knows.")
    ] = None
    own_key: Annotated[
        bool | None,
        described("Whether the customer pays the provider; the charge is then the book's `own_key_fee` of the cost."),
    ] = None
    api_key_id: Annotated[
        Token | None, described("The customer's API key (its id, never the key), to filter and sum by.")
    ] = None
    authorization_id: Annotated[Token | None, described("The authorization that the request ran under.")] = None
    metadata: Annotated[
        Metadata | None, described("The router's own names and values; the ledger only stores them.")
    ] = None


class UsageRecorded(Envelope):
    """A model call happened; without `provider_cost` the book prices what it counts."""

    type: Literal["usage.recorded"] = "usage.recorded"
    data: Usage


class UsageDecision(Frozen):
    event_id: Annotated[Uuid, described("The ledger's id of the `usage.recorded` that was kept aside.")]
    signed: Annotated[bool, described("Whether that usage was signed: an id may be used with and without a signature.")]
    reason_code: Annotated[Code, described("Why.")]
    actor_id: Annotated[Token, described("Who did it: an opaque id, such as that of an API key.")]


class UsageAcceptance(UsageDecision):
    usage: Annotated[Usage, described("Its data, which is charged now, by the book of now.")]


class UsageAccepted(Envelope):
    """An operator accepted usage that was kept aside. The id follows from that usage, so it is charged once."""

    type: Literal["usage.accepted"] = "usage.accepted"
    data: UsageAcceptance


class UsageDropped(Envelope):
    """An operator dropped usage that was kept aside: it is never charged. The id is that of an acceptance."""

    type: Literal["usage.dropped"] = "usage.dropped"
    data: UsageDecision


class Trace(Frozen):
    trace_id: Annotated[Token, described("The router's own id of the trace.")]
    count: Annotated[TraceCount, described("How many traces this event counts.")]


class TraceRecorded(Envelope):
    """Traces happened: free up to the package's included traces of the UTC month, then the trace price."""

    type: Literal["trace.recorded"] = "trace.recorded"
    data: Trace


class Purchase(Frozen):
    """Credits that a customer paid for."""

    purchase_id: Annotated[Token, described("Our id of the purchase; each is credited once.")]
    kind: Annotated[PurchaseKind, described("Who bought: the customer, or auto top-up.")]
    credits: Annotated[Credits, described("The credits that the account gets; above zero.")]
    provider: Annotated[PaymentProvider, described("Who took the payment.")]
    provider_payment_id: Annotated[Token, described("The provider's id of the payment.")]
    charged: Annotated[Charged, described("What the customer paid.")]
    fx_rate: Annotated[Cost | None, described("Units of the paying currency for one credit, as charged.")] = None
    trigger_id: Annotated[
        Uuid | None, described("The trigger that this pays; set if, and only if, `kind` is `auto_top_up`.")
    ] = None
    description: Annotated[
        Text | None, described("What the history shows; absent: a sentence from the other fields.")
    ] = None

    @model_validator(mode="after")
    def _a_top_up_names_its_trigger(self) -> "Purchase":
        if (self.kind == "auto_top_up") != (self.trigger_id is not None):
            raise ValueError("trigger_id belongs to kind auto_top_up, and is required there")
        return self


class CreditsPurchased(Envelope):
    """The provider reports a payment; the account has the credits from this record on."""

    type: Literal["credits.purchased"] = "credits.purchased"
    data: Purchase


class Refund(Frozen):
    purchase_id: Annotated[Token, described("The purchase that is given back, whole or in part.")]
    provider_refund_id: Annotated[Token, described("The provider's id of the refund.")]
    credits: Annotated[
        Credits, described("The credits that the account loses; above zero, at most what is left of the purchase.")
    ]
    charged: Annotated[Charged, described("What the customer got back, in the currency of the purchase.")]


class CreditsRefunded(Envelope):
    """Money of a purchase was paid back, and its credits are taken; at most what is left of the purchase."""

    type: Literal["credits.refunded"] = "credits.refunded"
    data: Refund


class Dispute(Frozen):
    purchase_id: Annotated[Token, described("The purchase that is disputed.")]
    credits: Annotated[Credits, described("The credits of it that are disputed; above zero, at most what is left.")]


class DisputeOpened(Envelope):
    """The customer's bank took money back; the disputed credits are debited until the dispute is decided."""

    type: Literal["dispute.opened"] = "dispute.opened"
    data: Dispute


class DisputeOutcome(Frozen):
    purchase_id: Annotated[Token, described("The purchase whose dispute ends.")]
    outcome: Annotated[Literal["won", "lost"], described("`won`: the credits come back. `lost`: they stay debited.")]


class DisputeClosed(Envelope):
    """The dispute was decided: `won` gives the credits back, `lost` leaves them debited."""

    type: Literal["dispute.closed"] = "dispute.closed"
    data: DisputeOutcome


class Adjustment(Frozen):
    amount: Annotated[SignedCredits, described("Added to the balance; a negative amount is subtracted; not zero.")]
    reason_code: Annotated[Code, described("Why.")]
    actor_id: Annotated[Token, described("Who did it: an opaque id, such as that of an API key.")]


class CreditsAdjusted(Envelope):
    """An operator corrected a balance. There is no other way to correct the past."""

    type: Literal["credits.adjusted"] = "credits.adjusted"
    data: Adjustment


class TopUpPolicy(Frozen):
    """When to buy, how much, and how much at most."""

    enabled: Annotated[bool, described("Whether auto top-up is switched on.")]
    threshold: Annotated[Credits, described("It buys when the balance is below.")]
    amount: Annotated[Credits, described("`fixed`: the credits to add. `target`: the balance to reach.")]
    sizing: Annotated[Sizing, described("How `amount` is meant.")] = "fixed"
    cap_day: Annotated[Credits | None, described("The most that auto top-up buys in one UTC day. Absent: no cap.")] = (
        None
    )
    cap_month: Annotated[
        Credits | None, described("The most that it buys in one UTC calendar month. Absent: no cap.")
    ] = None
    provider: Annotated[PaymentProvider | None, described("The provider that takes the payment.")] = None
    payment_method_id: Annotated[
        Token | None, described("The card or mandate to charge, as the provider names it.")
    ] = None
    actor_id: Annotated[Token | None, described("Who set it.")] = None


class AutoTopUpConfigured(Envelope):
    """The account's auto-top-up policy from now on."""

    type: Literal["auto_top_up.configured"] = "auto_top_up.configured"
    data: TopUpPolicy


class TopUpFailure(Frozen):
    trigger_id: Annotated[Uuid, described("The trigger that was not paid.")]
    reason_code: Annotated[Code, described("The reason, as the charger classifies it.")]
    suspended: Annotated[
        bool, described("True: the charger gave up, and nothing is charged until auto top-up is resumed.")
    ] = False


class AutoTopUpFailed(Envelope):
    """A charge was definitely declined. With `suspended` the charger gave up."""

    type: Literal["auto_top_up.failed"] = "auto_top_up.failed"
    data: TopUpFailure


class Resumption(Frozen):
    reason_code: Annotated[Code, described("The reason why it is resumed.")]
    actor_id: Annotated[Token | None, described("Who resumed it.")] = None


class AutoTopUpResumed(Envelope):
    """An operator lifted the suspension, or the customer changed the card."""

    type: Literal["auto_top_up.resumed"] = "auto_top_up.resumed"
    data: Resumption


class TopUpRequest(Frozen):
    """The amounts at the refusal. With `balance`, the fold adds what was credited since then."""

    available: Annotated[
        SignedCredits, described("Balance less open holds when the request was refused; may be negative.")
    ]
    balance: Annotated[
        SignedCredits | None,
        described("The balance that `available` was computed from."),
    ] = None


class AutoTopUpRequested(Envelope):
    """An authorization was refused; `available` is the balance less open holds at that moment."""

    type: Literal["auto_top_up.requested"] = "auto_top_up.requested"
    data: TopUpRequest


class Recheck(Frozen):
    window: Annotated[Literal["day", "month"], described("The cap's window that opened again.")]


class AutoTopUpRechecked(Envelope):
    """A cap's UTC window has opened again."""

    type: Literal["auto_top_up.rechecked"] = "auto_top_up.rechecked"
    data: Recheck


class Opening(Frozen):
    package: Annotated[Token | None, described("A package of the book. Absent: the book's default.")] = None


class AccountOpened(Envelope):
    """The account exists, with a package or the book's default one."""

    type: Literal["account.opened"] = "account.opened"
    data: Opening


class PackageChange(Frozen):
    package: Annotated[Token, described("A package of the book.")]


class AccountPackageChanged(Envelope):
    """The account has another package from now on."""

    type: Literal["account.package_changed"] = "account.package_changed"
    data: PackageChange


class Invoice(Frozen):
    number: Annotated[Token, described("The invoice's number.")]
    purchase_id: Annotated[Token, described("The purchase that it is for.")]


class InvoiceIssued(Envelope):
    """An invoice number was taken; it is never used again."""

    type: Literal["invoice.issued"] = "invoice.issued"
    data: Invoice


class Payout(Frozen):
    provider: Annotated[PaymentProvider, described("Who paid out; the same as in `subject`.")]
    payout_id: Annotated[Token, described("The provider's id of the payout.")]
    currency: Annotated[Currency, described("Its currency.")]
    amount_minor: Annotated[Minor, described("What arrived at the bank, in minor units.")]
    fee_minor: Annotated[Minor, described("What the provider kept, in minor units.")] = 0


class PayoutReceived(Envelope):
    """The provider paid out to the bank; the subject is `provider:` and its name, not an account."""

    subject: ProviderSubject
    type: Literal["payout.received"] = "payout.received"
    data: Payout


class AcceptedTopic(Frozen):
    name: Annotated[Token, described("The topic.")]
    topic_id: Annotated[Token, described("Its id at the broker; another topic with the same name has another id.")]


class LogRecovery(Frozen):
    records: Annotated[int, Field(ge=0), described("How many records were appended again.")]
    topics: Annotated[tuple[AcceptedTopic, ...], described("The topics that are this ledger's from now on.")]


class LogRecovered(Envelope):
    """What the log had lost was appended again, and its topics are this ledger's; the subject is `ledger:log`."""

    subject: Literal["ledger:log"] = "ledger:log"
    type: Literal["log.recovered"] = "log.recovered"
    data: LogRecovery


Event = (
    UsageRecorded
    | TraceRecorded
    | UsageAccepted
    | UsageDropped
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
    | LogRecovered
)
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
EVENT_TYPES: dict[str, type[Event]] = {cls.model_fields["type"].default: cls for cls in Event.__args__}
