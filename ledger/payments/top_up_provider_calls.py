"""Asks a provider about one trigger, and says what its answer means for `ledger.core.charging`."""

from datetime import UTC, timedelta
from typing import NamedTuple

import structlog

from ledger.core.charging import Answer, Call
from ledger.core.errors import LedgerError
from ledger.core.pricing import NoRateInEffect
from ledger.log.connecting import LogUnavailable
from ledger.payments.buyers import buyer
from ledger.payments.clock import Clock
from ledger.payments.event_recorder import Database
from ledger.payments.gateway import Buyer, Payment, ProviderError, ProviderRefuses, ProviderUnknown
from ledger.payments.gateways import Gateways, ProviderNotConfigured, gateway_of
from ledger.payments.payment_terms import PaymentTerms, metadata_of
from ledger.payments.prices import country_of, price
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.top_up_collectors import ATTEMPT, CannotCollect, Collector, Order, collector_of
from ledger.payments.top_up_policies import provider_for
from ledger.records import customers, top_up_triggers
from ledger.records.top_up_triggers import Attempt, LeaseLost, Trigger
from ledger.settings import Settings

log = structlog.get_logger()


class SwitchedOff(LedgerError):
    message = "Auto top-up was switched off before this attempt was made"


class PolicyUnreadable(LedgerError):
    message = "The views are half-built, and can't say what the account wants"


# For an operator to set right, or for time; the card is not to blame.
_NOT_NOW = (ProviderNotConfigured, CannotCollect, NoRateInEffect, PolicyUnreadable)


class CallResult(NamedTuple):
    """An answer, and the payment that it is about."""

    answer: Answer
    payment: Payment | None = None


class TopUpProviderCalls:
    """The calls of `ledger.core.charging`, each with its row before and its news after."""

    def __init__(
        self, settings: Settings, gateways: Gateways, database: Database, updates: ProviderUpdates, clock: Clock
    ) -> None:
        self._settings, self._gateways, self._database = settings, gateways, database
        self._updates, self._clock = updates, clock
        self._lease = timedelta(seconds=settings.top_up_lease_seconds)

    def heard(self, trigger: Trigger, call: Call) -> CallResult:
        """What the provider says; what it says was paid is on the log then.

        Raises LeaseLost or LogRefused before anything is asked, LogUnavailable, psycopg.Error.
        """
        try:
            payment = self._called(collector_of(gateway_of(self._gateways, trigger.provider)), trigger, call)
        except (LeaseLost, LogUnavailable):
            raise
        except _NOT_NOW as error:
            log.warning("top_up_not_charged", trigger_id=trigger.trigger_id, reason=str(error))
            return CallResult(Answer("unavailable", error.code))
        except LedgerError as error:
            return CallResult(_meaning(error, call))
        if payment is None:
            return CallResult(Answer("not_found"))
        return self._understood(trigger, payment)

    def _called(self, collector: Collector, trigger: Trigger, call: Call) -> Payment | None:
        match call:
            case "charge":
                return self._charge(collector, trigger)
            case "ask":
                return collector.ask(_reference(trigger))
            case "cancel":
                return collector.cancel(_reference(trigger))
        return self._find(collector, trigger)

    def _charge(self, collector: Collector, trigger: Trigger) -> Payment:
        self._updates.check()
        with self._database() as connection:
            who = buyer(connection, trigger.account_id)
            attempt = top_up_triggers.attempt(connection, trigger)
        attempt = attempt or self._new_attempt(collector, trigger, who)
        with self._database() as connection:
            attempt = top_up_triggers.attempting(connection, trigger, attempt, self._lease)
        terms = _terms(trigger, attempt)
        key, ledger = self._settings.signing_key(), self._settings.topic_prefix
        metadata = {**metadata_of(terms, key, ledger), ATTEMPT: str(trigger.attempt)}
        idempotency_key = f"topup:{trigger.trigger_id}:{trigger.attempt}"
        order = Order(terms, metadata, attempt.customer_id, attempt.method_id, who, idempotency_key)
        return collector.collect(order, self._clock())

    def _new_attempt(self, collector: Collector, trigger: Trigger, who: Buyer) -> Attempt:
        """Priced by the day of the trigger, from what the policy names now; nobody was asked for this attempt yet.

        Raises BillingCountryMissing, NoPaymentMethod, NoRateInEffect, SwitchedOff, PolicyUnreadable.
        """
        method_id = self._method_now(trigger)
        with self._database() as connection:
            customer_id = customers.find(connection, trigger.account_id, trigger.provider)
        country = country_of(self._settings, trigger.provider, who)
        day = trigger.triggered_at.astimezone(UTC).date()
        priced = price(self._settings, trigger.provider, trigger.credits, country, day)
        source = collector.source(customer_id, method_id)
        return Attempt(*source, priced.currency, priced.amount_minor, priced.tax_minor, priced.fx_rate)

    def _method_now(self, trigger: Trigger) -> str | None:
        """The method that the policy names now, if it is the same provider's still. Raises as `_new_attempt` does."""
        with self._database() as connection:
            policy = top_up_triggers.policy(connection, trigger.account_id)
        if policy is None:
            raise PolicyUnreadable()
        if not policy.enabled:
            raise SwitchedOff()
        same = provider_for(self._gateways, policy.provider) == trigger.provider
        return policy.method_id if same else trigger.method_id

    def _find(self, collector: Collector, trigger: Trigger) -> Payment | None:
        """The paid one of the trigger's payments, else that of the last attempt, unless we know of a later one."""
        with self._database() as connection:
            known = top_up_triggers.attempt(connection, trigger)
            customer_id = known and known.customer_id
            customer_id = customer_id or customers.find(connection, trigger.account_id, trigger.provider)
        found = collector.find(customer_id, trigger.trigger_id, trigger.search_from)
        telling = max(found, key=lambda payment: (payment.status == "paid", _attempt_of(payment)), default=None)
        if telling is None or (telling.status != "paid" and _attempt_of(telling) < trigger.attempt):
            return None
        return telling

    def _understood(self, trigger: Trigger, payment: Payment) -> CallResult:
        attempt = _attempt_of(payment)
        if payment.status == "pending":
            return CallResult(Answer("pending", "", attempt), payment)
        if payment.status == "failed":
            return CallResult(Answer(payment.decline or "hard", _code(payment), attempt), payment)
        outcome = self._updates.handle(trigger.provider, payment)
        credited = outcome in ("credited", "already")
        return CallResult(Answer("paid" if credited else "mismatched", outcome, attempt), payment)


def _terms(trigger: Trigger, attempt: Attempt) -> PaymentTerms:
    """A trigger is bought once: its id is the purchase's."""
    return PaymentTerms(
        trigger.trigger_id,
        trigger.account_id,
        "auto_top_up",
        trigger.credits,
        attempt.currency,
        attempt.amount_minor,
        attempt.tax_minor,
        attempt.fx_rate,
        trigger.trigger_id,
    )


def _reference(trigger: Trigger) -> str:
    assert trigger.payment_id, "what is pending or to be cancelled is known by its id"
    return trigger.payment_id


def _meaning(error: LedgerError, call: Call) -> Answer:
    """What an error means for the charge. A look-up that is refused says nothing about what was charged."""
    if isinstance(error, ProviderUnknown) or (isinstance(error, ProviderRefuses) and call in ("find", "ask")):
        return Answer("unknown", error.code)
    if isinstance(error, ProviderError) and not isinstance(error, ProviderRefuses):
        return Answer("unavailable", error.code)
    return Answer("refused", error.code)


def _attempt_of(payment: Payment) -> int:
    """Which attempt a payment was made for, as its metadata says; 0 where it says nothing."""
    text = payment.metadata.get(ATTEMPT, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _code(payment: Payment) -> str:
    """The provider's code of a failure, as the log takes codes."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in payment.failure or "unknown")
    return plain.lower()[:64] if plain[:1].isalpha() else f"code_{plain.lower()}"[:64]
