"""The bodies of HTTP requests and answers. Amounts are decimal text in credits, times are UTC."""

from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events import Mode, Sizing
from schemas.fields import (
    AccountId,
    Attributes,
    Code,
    CountryCode,
    Frozen,
    LocaleTag,
    PaymentProvider,
    PostalCode,
    TaxNumber,
    Text,
    Token,
    TokenCount,
    WebAddress,
)
from schemas.money import Credits, SignedCredits, parse_nanos
from schemas.prices import Price
from schemas.states import ActivityType, AttemptState, HoldState, PurchaseLabel, QuarantineDecision, TopUpState
from schemas.units import Counts

Item = TypeVar("Item")
MovementLine = Literal[
    "purchases",
    "auto_top_ups",
    "adjustments",
    "usage",
    "usage_accepted",
    "traces",
    "refunds",
    "disputes_opened",
    "disputes_won",
    "disputes_lost",
]
PurchaseState = Literal["pending", "paid", "credited", "failed", "expired", "mismatched"]
PortalPage = Literal["overview", "add", "history", "usage", "auto-top-up", "payment-methods", "badge"]
Amount = Annotated[str, Field(description="Credits as decimal text; 1 credit is 1.00 USD.", examples=["12.5"])]
Shown = Annotated[str, Field(description="The same for people.", examples=["$12.50"])]
AsOf = Annotated[datetime | None, Field(description="Every event up to this moment of the log is counted.")]


class Answer(BaseModel):
    """A body that the ledger answers with. The ledger builds it itself, so its fields are not strict."""

    model_config = ConfigDict(frozen=True)


class Page(Answer, Generic[Item]):
    """One page of a list; `next_cursor` asks for the next one and is null on the last."""

    data: list[Item]
    next_cursor: str | None = None


class ItemError(Answer):
    """What is wrong with one event of a batch."""

    index: int
    message: str
    code: str
    param: str | None = None


class ErrorFields(Answer):
    """What went wrong: `message` for people, `code` for programs, `param` names the field."""

    message: str
    type: str
    code: str
    param: str | None = None
    request_id: str | None = None
    items: Annotated[list[ItemError] | None, Field(description="Of a batch: each event that is refused.")] = None


class ErrorAnswer(Answer):
    """The body of every answer with a status of 400 or more, except the 402."""

    error: ErrorFields


class Appended(Answer):
    """The place of an event on the log."""

    event_id: str
    account_id: str
    partition: int
    offset: int


class UsageAccepted(Answer):
    """Every event is on the log, acknowledged by all replicas."""

    accepted: int
    events: list[Appended]


class Pending(Answer):
    """The event is on the log. Whether it was posted is not known yet: send it again with the same Idempotency-Key."""

    event_id: str
    status: Literal["pending"] = "pending"


class NewAccount(Frozen):
    """An account to open, with a package or the book's default one."""

    account_id: Annotated[AccountId, Field(examples=["acct_42"])]
    package: Annotated[Token | None, Field(examples=["team"])] = None


class Limits(Answer):
    routing_profiles: int = 1


class Package(Answer):
    name: str
    included_traces: int | None


class Traces(Answer):
    """Traces of the current UTC calendar month."""

    month: Annotated[str, Field(examples=["2026-11"])]
    used: int
    included: int | None


class TopUpSummary(Answer):
    enabled: bool
    state: TopUpState
    reason: str | None = None


class AccountAnswer(Answer):
    """An account as of now."""

    account_id: str
    balance: Amount
    balance_text: Shown
    held: Amount
    available: Amount
    level: Annotated[str, Field(description='A level of the book, or "ok".')]
    package: Package
    traces: Traces
    auto_top_up: TopUpSummary
    limits: Limits
    as_of: AsOf


class Balance(Answer):
    """`available` is `balance` less what is held."""

    account_id: str
    balance: Amount
    held: Amount
    available: Amount
    as_of: AsOf


class Transaction(Answer):
    """One line of the history. Which fields are set depends on `event_type`."""

    event_id: str
    account_id: str
    signed: Annotated[bool, Field(description="False: published by a router.")]
    type: ActivityType | PurchaseLabel
    event_type: str
    description: Annotated[str, Field(examples=["Credit top-up via Razorpay (₹850)"])]
    time: Annotated[datetime, Field(description="When it was appended to the log.")]
    occurred_at: Annotated[datetime | None, Field(description="When it happened, according to its sender.")] = None
    amount: Amount
    amount_text: Shown
    balance_after: Amount
    request_id: str | None = None
    provider: str | None = None
    model: str | None = None
    mode: str | None = None
    api_key_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    units: Annotated[dict[str, int | str] | None, Field(examples=[{"cache_read_tokens": 1024}])] = None
    attributes: Annotated[dict[str, str] | None, Field(examples=[{"service_tier": "priority"}])] = None
    own_key: bool | None = None
    traces: int | None = None
    free_traces: int | None = None
    purchase_id: str | None = None
    currency: str | None = None
    amount_minor: Annotated[int | None, Field(description="Minor units that moved at the provider.")] = None
    reason_code: str | None = None


class ChargeLine(Answer):
    """A quantity of one unit at its price. Tokens that a narrower line counts are not in the wider one."""

    item: Annotated[str, Field(description="The unit, or `trace`.", examples=["cache_read_tokens"])]
    quantity: Annotated[str, Field(examples=["1024"])]
    price: Annotated[str, Field(description="Credits for `per` of the unit.")]
    per: int
    threshold: Annotated[str | None, Field(examples=["above 200,000 input tokens"])] = None
    variant: Annotated[str | None, Field(examples=["service_tier=priority"])] = None
    cost: Annotated[str, Field(description="In credits, to 18 digits.")]


class Explanation(Answer):
    """How a charge came about: `lines` add up to `book_cost`, and cost + markup = charge.

    `call_cost` is the event's own cost or else `book_cost`, and `extra_cost`.

    `cost` is what the router's operator pays: `call_cost` rounded once, or 0 if the customer's own key was used.
    """

    priced_by: Annotated[
        Literal["book", "provider_cost"], Field(description="provider_cost: the event brought its own cost.")
    ]
    priced_as: Annotated[str | None, Field(description="The book's name of the model.")] = None
    lines: list[ChargeLine]
    book_cost: Annotated[
        str | None, Field(description="What the call costs by the book; null if the book can't price it.")
    ] = None
    call_cost: Annotated[
        str, Field(description="What the call cost at its provider, before rounding.", examples=["0.001375"])
    ]
    provider_cost: Annotated[str | None, Field(description="The event's own cost.")] = None
    extra_cost: Annotated[str | None, Field(description="What the event adds to either.")] = None
    difference: Annotated[
        str | None, Field(description="By how much an event's own cost is above `book_cost`; negative: below.")
    ] = None
    cost: Amount
    own_key_fee: Annotated[
        str | None, Field(description="Of the customer's own key: the part of `call_cost` that is charged.")
    ] = None
    markup_rate: Annotated[str | None, Field(examples=["0.1"])] = None
    markup: Amount
    charge: Amount
    notes: Annotated[list[str], Field(description="What the book can't explain, such as counts that don't nest.")] = []


class ExplainedTransaction(Transaction):
    """A transaction with everything that led to it, and its place on the log."""

    seq: Annotated[int, Field(description="Counts the account's entries from 1.")]
    book_version: int
    rules: int
    partition: int
    offset: int
    source: str
    explanation: Explanation | None = None
    data: dict[str, Any] | None = None


class QuarantinedUsage(Answer):
    """Usage that was kept aside: its line in the history, which has no charge, and what it would be charged."""

    transaction: Transaction
    charge: Amount
    kept_aside_at: datetime


class NewDecision(Frozen):
    """What to do with usage that was kept aside, and why."""

    decision: QuarantineDecision
    reason_code: Annotated[Code, Field(examples=["customer_confirmed"])]


class QuarantineDecided(Answer):
    """The decision; `transaction`: the charge, if the usage was accepted."""

    event_id: str
    decision: QuarantineDecision
    transaction: Transaction | None = None


class UsageGroup(Answer):
    """Usage of one day, model and API key; a field that was not grouped by is null.

    Traces belong to no provider, model or API key: grouped by one of these, they are a group of their own.
    """

    day: date | None
    provider: Annotated[str | None, Field(description="Empty for traces.")]
    model: Annotated[str | None, Field(description="Empty for traces.")]
    api_key_id: Annotated[str | None, Field(description="Empty for usage without a key, and for traces.")]
    requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    traces: int
    free_traces: Annotated[int, Field(description="The included part of `traces`, which is not charged.")]
    cost: Amount
    markup: Amount
    charge: Amount


class LiabilityAnswer(Answer):
    """The sum of the balances of all accounts: total = held + owed."""

    total: Amount
    held: Annotated[Amount, Field(description="Balances above zero: what customers can still use.")]
    owed: Annotated[Amount, Field(description="Balances below zero, a negative amount: what customers owe.")]
    accounts_holding: int
    accounts_owing: int


class CreditMovement(Answer):
    """By how much one kind of entry moved the liability; usage and refunds are negative, a lost dispute is 0."""

    line: MovementLine
    entries: int
    credits: Amount


class CreditsReport(Answer):
    """opening.total + all movements = closing.total, to the last digit; otherwise there is no report."""

    opening: LiabilityAnswer
    movements: list[CreditMovement]
    closing: LiabilityAnswer


class ProviderMargin(Answer):
    """Usage of one model provider: revenue − cost = margin."""

    requests: int
    revenue: Amount
    cost: Amount
    margin: Amount


class ModelProviderReport(ProviderMargin):
    """Usage of one model provider: revenue − cost = margin."""

    provider: str


class TracesReport(Answer):
    """Traces of the month; those within a package are free."""

    traces: int
    free_traces: int
    revenue: Amount
    free_value: Annotated[Amount, Field(description="What the free ones would have cost; no revenue, only a note.")]


class MoneyAmount(Answer):
    """Money in minor units of its currency, and for people."""

    minor: int
    text: Annotated[str, Field(examples=["-$12.50"])]


class MoneyReport(Answer):
    """One currency at one payment provider: opening + charged + … + fees = closing, which the provider still holds."""

    provider: str
    currency: str
    opening: MoneyAmount
    charged: Annotated[MoneyAmount, Field(description="Taxes included.")]
    refunded: Annotated[MoneyAmount, Field(description="Taxes included.")]
    disputes_opened: MoneyAmount
    disputes_won: MoneyAmount
    payouts: MoneyAmount
    fees: MoneyAmount
    closing: MoneyAmount
    tax_charged: Annotated[MoneyAmount, Field(description="Part of `charged`.")]
    tax_refunded: Annotated[MoneyAmount, Field(description="Part of `refunded`.")]


class MonthReportAnswer(Answer):
    """One UTC month by the log's time. `complete` false: the month, or its projection, is not over; more may come."""

    month: Annotated[str, Field(examples=["2026-11"])]
    complete: bool
    as_of: AsOf
    credits: CreditsReport
    usage: list[ModelProviderReport]
    usage_total: ProviderMargin
    traces: TracesReport
    money: list[MoneyReport]


class TopUpSettings(Frozen):
    """When and how much to buy. `amount`: the credits to add (`fixed`), or the balance to reach (`target`)."""

    enabled: bool
    threshold: Annotated[Credits, Field(examples=["50"])]
    amount: Annotated[Credits, Field(examples=["200"])]
    sizing: Sizing = "fixed"
    cap_day: Credits | None = None
    cap_month: Credits | None = None
    provider: PaymentProvider | None = None
    payment_method_id: Token | None = None


class TopUpCharge(Answer):
    """The charge of the last trigger: its current attempt, and when its next step is due."""

    trigger_id: str
    state: Annotated[
        AttemptState,
        Field(description="`sent`: the outcome is not known and is looked up. `pending`: the customer has a link."),
    ]
    attempt: int
    failure: Annotated[str | None, Field(description="The provider's code of the last decline.")]
    next_at: datetime | None
    pay_url: Annotated[str | None, Field(description="Where the customer pays it, or buys as much instead.")]


class TopUps(Answer):
    """The policy (null: none was set yet), and the state of auto top-up."""

    account_id: str
    enabled: bool
    threshold: str | None = None
    amount: str | None = None
    sizing: Sizing | None = None
    cap_day: str | None = None
    cap_month: str | None = None
    provider: str | None = None
    payment_method_id: str | None = None
    state: TopUpState
    reason: Annotated[str | None, Field(description="Why it is capped or suspended.")] = None
    trigger_id: Annotated[str | None, Field(description="The purchase that is in flight.")] = None
    charge: TopUpCharge | None = None
    spent_today: Amount
    spent_this_month: Amount
    as_of: AsOf


class NewAdjustment(Frozen):
    """A correction of a balance. There is no other way to correct the past."""

    amount: Annotated[SignedCredits, Field(examples=["-1.25"])]
    reason_code: Annotated[Code, Field(examples=["goodwill"])]


class BillingAddress(Frozen):
    """Where invoices go. A payment through Stripe needs the country at least."""

    line1: Annotated[Text | None, Field(examples=["Unter den Linden 1"])] = None
    line2: Text | None = None
    city: Annotated[Text | None, Field(examples=["Berlin"])] = None
    state: Text | None = None
    postal_code: Annotated[PostalCode | None, Field(examples=["10117"])] = None
    country: CountryCode


class NewProfile(Frozen):
    """Who a customer is; what is absent is not known."""

    name: Annotated[Text | None, Field(examples=["Ada Lovelace Ltd"])] = None
    email: Annotated[Text | None, Field(examples=["billing@example.com"])] = None
    address: BillingAddress | None = None
    time_zone: Annotated[Token | None, Field(description="IANA's name.", examples=["Europe/Berlin"])] = None
    locale: Annotated[LocaleTag | None, Field(examples=["en-US"])] = None


class Profile(Answer):
    """Who a customer is; null: not known."""

    account_id: str
    name: str | None
    email: str | None
    address: BillingAddress | None
    time_zone: str | None
    locale: str | None


class NewTaxId(Frozen):
    """A tax id to show on invoices. `GET /v1/tax-id-types` has the types of each country."""

    country: Annotated[CountryCode, Field(examples=["DE"])]
    type: Annotated[Code, Field(examples=["eu_vat"])]
    value: Annotated[TaxNumber, Field(examples=["DE136695976"])]


class TaxId(Answer):
    """A tax id; `value` is written as its authority does, whatever was entered."""

    id: str
    account_id: str
    country: str
    type: str
    value: str
    created_at: datetime


class TaxIdType(Answer):
    """A type of tax id, with an example of a number."""

    type: Annotated[str, Field(examples=["eu_vat"])]
    label: Annotated[str, Field(examples=["European VAT number"])]
    example: Annotated[str, Field(examples=["DE136695976"])]


class CountryTaxIdTypes(Answer):
    """The types of tax id that a country has."""

    country: Annotated[str, Field(examples=["DE"])]
    name: Annotated[str, Field(examples=["Germany"])]
    types: list[TaxIdType]


class NewPurchase(Frozen):
    """Credits to buy. Without a saved method the customer pays at `pay_url`, and may save one there."""

    amount: Annotated[Credits, Field(description="In credits.", examples=["10"])]
    provider: Annotated[PaymentProvider, Field(examples=["razorpay"])]
    payment_method_id: Annotated[Token | None, Field(description="A saved method, to pay at once.")] = None
    return_url: Annotated[WebAddress | None, Field(examples=["https://router.example/credits"])] = None


class Money(Answer):
    """Money at a provider, in minor units: cents, paise. `tax_minor` is part of `amount_minor`."""

    currency: Annotated[str, Field(examples=["INR"])]
    amount_minor: Annotated[int, Field(examples=[85000])]
    tax_minor: Annotated[int, Field(examples=[0])]


class Invoice(Answer):
    """An issued document. `total` is what was paid, of a credit note what went back; `url` has its PDF."""

    number: str
    kind: Literal["invoice", "credit_note"]
    account_id: str
    purchase_id: str
    issued_on: date
    total: Money
    url: str


class PurchaseAnswer(Answer):
    """A purchase. `paid`: the provider has the money, and the views don't show the credits yet."""

    purchase_id: str
    account_id: str
    state: PurchaseState
    credits: Amount
    provider: str
    charged: Money
    fx_rate: Annotated[str, Field(description="Units of the currency for one credit.", examples=["85.00"])]
    pay_url: Annotated[str, Field(description="Our page to pay on. Everyone who has this address can see it.")]
    failure: Annotated[str | None, Field(description="The provider's code of the last decline.")]
    created_at: datetime


class RefundedMoney(Answer):
    """Money that is paid back, in minor units."""

    currency: str
    amount_minor: int


class NewRefund(Frozen):
    """What to refund of a purchase."""

    amount: Annotated[Credits | None, Field(description="In credits; absent: all that is left.")] = None


class Refund(Answer):
    """A refund. `pending`: the bank is still working; the credits are taken when it has succeeded."""

    refund_id: str
    purchase_id: str
    state: Literal["succeeded", "pending", "failed"]
    provider: str
    charged: Annotated[RefundedMoney, Field(description="The money that is paid back.")]


class NewPaymentMethod(Frozen):
    """A method to add, on the provider's page."""

    provider: Annotated[PaymentProvider, Field(examples=["stripe"])]
    return_url: Annotated[WebAddress, Field(examples=["https://router.example/credits"])]


NoticeType = Literal[
    "receipt.issued",
    "credit_note.issued",
    "balance.level_reached",
    "balance.level_recovered",
    "auto_top_up.paid",
    "auto_top_up.failed",
    "auto_top_up.suspended",
    "auto_top_up.capped",
    "usage.quarantined",
    "dispute.opened",
    "dispute.closed",
]


class NewWebhookEndpoint(Frozen):
    """Where notices are sent. Without `account_id`: those of the key's account; with an operator's key, all."""

    url: Annotated[WebAddress, Field(examples=["https://router.example/hooks"])]
    account_id: AccountId | None = None
    types: list[NoticeType] = Field(default_factory=list, description="Empty: all types.")
    description: Annotated[str, Field(max_length=256)] = ""


class WebhookEndpoint(Answer):
    """An endpoint. `account_id` null: notices of all accounts; `disabled_at`: it was ended, or answered 410 Gone."""

    endpoint_id: str
    account_id: str | None
    url: str
    description: str
    types: list[str]
    created_at: datetime
    disabled_at: datetime | None


class SecretWebhookEndpoint(WebhookEndpoint):
    """A new endpoint, with the secret that its receiver verifies with."""

    secret: Annotated[str, Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])]


class WebhookSecret(Answer):
    """The secret that signs from now on."""

    secret: str


class WebhookDelivery(Answer):
    """A notice on its way to an endpoint. `due_at`: the next attempt. The last three fields: the last attempt."""

    delivery_id: str
    notice_id: Annotated[str, Field(description="The header `webhook-id`.")]
    type: str
    account_id: str
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    created_at: datetime
    due_at: datetime | None
    attempted_at: datetime | None
    status: int | None
    error: str | None


class PageToVisit(Answer):
    """The page where the customer continues."""

    url: str


class PaymentMethod(Answer):
    """A saved method, with what the provider discloses of it."""

    payment_method_id: str
    provider: str
    kind: Annotated[str, Field(examples=["card"])]
    brand: Annotated[str | None, Field(examples=["visa"])]
    last4: Annotated[str | None, Field(examples=["4242"])]
    expires_month: int | None
    expires_year: int | None
    default: bool


class NewPortalSession(Frozen):
    """A customer who is to see the billing page. `return_url`: where it leads back to, such as your dashboard."""

    account_id: Annotated[AccountId, Field(examples=["acct_42"])]
    page: Annotated[PortalPage, Field(description="Where it leads to; `badge`: for a small frame.")] = "overview"
    return_url: Annotated[WebAddress | None, Field(examples=["https://router.example/dashboard"])] = None


class PortalSession(Answer):
    """A link to send the customer's browser to. It works once."""

    url: str
    expires_at: datetime


class WebhookTaken(Answer):
    """The event is stored, and its content is on the log."""

    outcome: Annotated[str, Field(examples=["credited"])]


class Estimate(Frozen):
    """How much to hold: an `amount`, or a call that the book prices, or nothing, which holds the default."""

    amount: Annotated[Credits | None, Field(examples=["0.05"])] = None
    provider: Annotated[Token | None, Field(examples=["openai"])] = None
    model: Annotated[Token | None, Field(examples=["gpt-4o"])] = None
    mode: Mode | None = None
    input_tokens: TokenCount | None = None
    max_output_tokens: TokenCount | None = None
    units: Annotated[
        Counts | None, Field(description="What else the call will count, as far as it is known; as in usage.")
    ] = None
    attributes: Annotated[Attributes | None, Field(description="What the call will be served as; as in usage.")] = None
    own_key: Annotated[
        bool, Field(description="Whether the customer pays the provider; then only the book's fee is held.")
    ] = False

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> "Estimate":
        call = (self.provider, self.model, self.mode, self.input_tokens, self.max_output_tokens)
        missing = call.count(None)
        if self.amount is not None and missing < len(call):
            raise ValueError("amount excludes provider, model, mode and tokens")
        if 0 < missing < len(call):
            names = ("provider", "model", "mode", "input_tokens", "max_output_tokens")
            missing_names = ", ".join(name for name, value in zip(names, call, strict=True) if value is None)
            raise ValueError(f"{missing_names} belong to a priced call, too")
        if missing and (self.units or self.attributes or self.own_key):
            raise ValueError("units, attributes and own_key belong to a priced call")
        if self.amount is not None and parse_nanos(self.amount) == 0:
            raise ValueError("amount must not be zero")
        return self


class NewAuthorization(Estimate):
    """May this account make a request? It holds what the request may cost until its usage settles it."""

    account_id: Annotated[AccountId, Field(examples=["acct_42"])]
    ttl: Annotated[int | None, Field(ge=1, description="Seconds until the hold expires; bounded by a setting.")] = None
    api_key_id: Token | None = None
    clamp: Annotated[bool, Field(description="Grant the largest affordable output instead of refusing.")] = False


class Authorization(Answer):
    """A hold: usage that names its id settles it."""

    id: str
    account_id: str
    amount: Annotated[Amount, Field(description="What is held, in credits.")]
    max_output_tokens: Annotated[int | None, Field(description="The output that it pays for; null if not priced.")]
    expires_at: datetime
    available: Annotated[Amount, Field(description="What is left for other requests.")]


class AuthorizationState(Answer):
    """A hold and its state."""

    id: str
    account_id: str
    amount: Amount
    max_output_tokens: int | None
    expires_at: datetime
    state: HoldState


class Extension(Frozen):
    """More for a request under way: an amount of credits, or a number of output tokens of the call that was priced.

    With neither, only the time of the hold is extended, which takes no credits.
    """

    amount: Credits | None = None
    output_tokens: Annotated[TokenCount | None, Field(gt=0)] = None
    ttl: Annotated[int | None, Field(ge=1, description="Seconds from now, if that is later than the end.")] = None

    @property
    def renews_only(self) -> bool:
        """Whether it asks for time and no credits."""
        return self.amount is None and self.output_tokens is None

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> "Extension":
        if self.amount is not None and self.output_tokens is not None:
            raise ValueError("name either amount or output_tokens")
        if self.amount is not None and parse_nanos(self.amount) == 0:
            raise ValueError("amount must not be zero")
        return self


class Prices(Answer):
    """The version of the book that is in force now; its prices in pages, by provider and model."""

    book_version: int
    effective_from: Annotated[datetime | None, Field(description="Null: from the beginning.")]
    markups: Annotated[dict[str, str], Field(examples=[{"auto": "0.1", "tier": "0.08"}])]
    own_key_fee: Annotated[
        str, Field(description="What is charged of the cost instead, with the customer's own key.", examples=["0.05"])
    ]
    prices: Annotated[list[Price], Field(description="Before the markup.")]
    next_cursor: Annotated[str | None, Field(description="Asks for the next prices; null on the last page.")] = None
    trace_price: str
    packages: list[Package]
    default_package: str
    top_up_credits_min: str


class Part(Answer):
    """One thing that the API needs."""

    ready: bool
    reason: str | None = None


class Readiness(Answer):
    """`missing` names the parts that are not there."""

    ready: bool
    missing: list[str]
    parts: dict[str, Part]
    projected_through: AsOf
    lag_seconds: float | None
    lag_records: int | None
