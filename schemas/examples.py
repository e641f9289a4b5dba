"""One story of one account that has an event of every type in it, in the order in which they can happen.

docs/reference/events.md shows them with what the fold makes of them; tests see that the ledger accepts each.
"""

from datetime import UTC, datetime
from typing import Any, TypeVar

from schemas.envelope import Envelope
from schemas.events import (
    AcceptedTopic,
    AccountOpened,
    AccountPackageChanged,
    Adjustment,
    AutoTopUpConfigured,
    AutoTopUpFailed,
    AutoTopUpRechecked,
    AutoTopUpRequested,
    AutoTopUpResumed,
    Charged,
    CreditsAdjusted,
    CreditsPurchased,
    CreditsRefunded,
    Dispute,
    DisputeClosed,
    DisputeOpened,
    DisputeOutcome,
    Event,
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
from schemas.fields import Frozen
from schemas.identity import derived_id, event_id_of
from schemas.records import (
    AccountErased,
    ApiKeyRevoked,
    Claim,
    DeletedTaxId,
    EndedEndpoint,
    ErasedAccount,
    LogClaimed,
    RecordsEvent,
    RevokedKey,
    TaxIdDeleted,
    WebhookEndpointEnded,
)

E = TypeVar("E", bound=Envelope)
ACCOUNT = "acct_42"
_RECORDS = "ledger/records"
_IDS = "019aa3f2-0b6e-7c1a-9d53-0c9f2b6a1e{:02}"
# What the fold calls the purchases that the two refused authorizations lead to.
_FIRST_TRIGGER = derived_id(ACCOUNT, "signed", _IDS.format(10))
_SECOND_TRIGGER = derived_id(ACCOUNT, "signed", _IDS.format(13))


def story() -> list[Event]:
    """The events, oldest first. The book of `ledger dev` accepts all of them."""
    return [
        _said(1, "api", AccountOpened, Opening(package="free")),
        _said(2, "payments/stripe", CreditsPurchased, _bought("pur_1", "25", 2975)),
        _said(
            3,
            "api",
            AutoTopUpConfigured,
            TopUpPolicy(
                enabled=True,
                threshold="20",
                amount="50",
                cap_day="60",
                provider="stripe",
                payment_method_id="pm_1",
                actor_id="key_7",
            ),
        ),
        _said(4, "router/eu-1", UsageRecorded, _CALL),
        _said(5, "router/eu-1", TraceRecorded, Trace(trace_id="trace_1", count=120)),
        _said(6, "api", CreditsAdjusted, Adjustment(amount="1.25", reason_code="goodwill", actor_id="key_7")),
        _said(7, "payments/stripe", CreditsRefunded, _REFUND),
        _said(8, "payments/stripe", DisputeOpened, Dispute(purchase_id="pur_1", credits="20")),
        _said(9, "payments/stripe", DisputeClosed, DisputeOutcome(purchase_id="pur_1", outcome="won")),
        _said(10, "gate", AutoTopUpRequested, TopUpRequest(available="3.2")),
        _said(
            11,
            "payments/charger",
            AutoTopUpFailed,
            TopUpFailure(trigger_id=_FIRST_TRIGGER, reason_code="card_expired", suspended=True),
        ),
        _said(12, "api", AutoTopUpResumed, Resumption(reason_code="card_changed", actor_id="key_7")),
        _said(13, "gate", AutoTopUpRequested, TopUpRequest(available="3.2")),
        _said(14, "payments/charger", CreditsPurchased, _bought("pur_2", "50", 5950, _SECOND_TRIGGER)),
        _said(15, "gate", AutoTopUpRequested, TopUpRequest(available="3.2")),
        _said(16, "caps", AutoTopUpRechecked, Recheck(window="day")),
        _said(17, "api", AccountPackageChanged, PackageChange(package="team")),
        _said(18, "payments/invoices", InvoiceIssued, Invoice(number="INV-2026-0000001", purchase_id="pur_1")),
        _said(19, "payments/stripe", PayoutReceived, _PAYOUT, subject="provider:stripe"),
        _said(20, "ledger/recover", LogRecovered, _RECOVERY, subject="ledger:log"),
        _said(28, "router/eu-1", UsageRecorded, _MISCOUNTED),
        _said(29, "api", UsageAccepted, UsageAcceptance(usage=_MISCOUNTED, **_CHECKED)),
        _said(30, "api", UsageDropped, UsageDecision(**_CHECKED)),
    ]


def records_story() -> list[RecordsEvent]:
    """One event of each type of `ledger.records`."""
    return [
        LogClaimed(source=_RECORDS, id=_IDS.format(20), data=Claim(installation_id=_IDS.format(21))),
        ApiKeyRevoked(source=_RECORDS, id=_IDS.format(22), data=RevokedKey(key_id="0c9f2b6a1e77d530")),
        WebhookEndpointEnded(source=_RECORDS, id=_IDS.format(23), data=EndedEndpoint(endpoint_id=_IDS.format(24))),
        TaxIdDeleted(source=_RECORDS, id=_IDS.format(25), data=DeletedTaxId(tax_id=_IDS.format(26))),
        AccountErased(source=_RECORDS, id=_IDS.format(27), data=ErasedAccount(account_id=ACCOUNT)),
    ]


_CALL = Usage(
    request_id="req_9",
    provider="openai",
    model="gpt-4o",
    mode="auto",
    input_tokens=374,
    output_tokens=44,
    units={"cache_read_tokens": 128},
    attributes={"service_tier": "default"},
    api_key_id="key_3",
    metadata={"team": "search"},
)
# A router that counts cents as dollars: the charge is above `usage_credits_max`.
_MISCOUNTED = _CALL.model_copy(update={"request_id": "req_10", "provider_cost": "1375"})
_CHECKED: dict[str, Any] = {
    "event_id": event_id_of("router/eu-1", _IDS.format(28)),
    "signed": False,
    "reason_code": "customer_confirmed",
    "actor_id": "key_7",
}
_REFUND = Refund(
    purchase_id="pur_1",
    provider_refund_id="re_1",
    credits="5",
    charged=Charged(currency="USD", amount_minor=595, tax_minor=95),
)
_RECOVERY = LogRecovery(
    records=25_003, topics=(AcceptedTopic(name="ledger.events", topic_id="x3xXgYZbRuCKxDZ8l8r6Zw"),)
)
_PAYOUT = Payout(provider="stripe", payout_id="po_1", currency="USD", amount_minor=2265, fee_minor=115)


def _bought(purchase_id: str, credits: str, minor: int, trigger_id: str | None = None) -> Purchase:
    """A purchase of `credits`, paid by card with 19 percent tax."""
    return Purchase(
        purchase_id=purchase_id,
        kind="auto_top_up" if trigger_id else "purchase",
        credits=credits,
        provider="stripe",
        provider_payment_id=f"pi_{purchase_id}",
        charged=Charged(currency="USD", amount_minor=minor, tax_minor=minor * 19 // 119),
        trigger_id=trigger_id,
    )


def _said(number: int, source: str, kind: type[E], data: Frozen, subject: str = ACCOUNT) -> E:
    time = datetime(2026, 11, 21, 10, number, tzinfo=UTC)
    return kind(source=source, id=_IDS.format(number), subject=subject, time=time, data=data)
