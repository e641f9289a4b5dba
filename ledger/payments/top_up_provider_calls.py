"""Asks a provider about one trigger, and translates its answer for the rules of `ledger.core.top_up_attempts`."""

from datetime import UTC, timedelta
from typing import NamedTuple

import structlog

from ledger.core.errors import LedgerError
from ledger.core.pricing import NoRateInEffect
from ledger.core.top_up_attempts import ProviderAnswer, ProviderCall
from ledger.log.connecting import LogUnavailable
from ledger.payments.buyers import load_buyer
from ledger.payments.clock import Clock
from ledger.payments.event_recorder import Database
from ledger.payments.gateway import Buyer, Payment, ProviderError, ProviderRefuses, ProviderUnknown
from ledger.payments.gateways import Gateways, ProviderNotConfigured, gateway_of
from ledger.payments.outcomes import CREDITED
from ledger.payments.payment_terms import PaymentTerms, signed_metadata
from ledger.payments.prices import price
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.taxes import tax_country
from ledger.payments.top_up_collectors import ATTEMPT, AttemptRequest, CannotCollect, Collector, collector_of
from ledger.payments.top_up_policies import provider_for
from ledger.records import customers, top_up_triggers
from ledger.records.top_up_triggers import Attempt, LeaseLost, Trigger
from ledger.settings import Settings

log = structlog.get_logger()


class SwitchedOff(LedgerError):
    message = "Auto top-up was switched off before this attempt was made"


class PolicyUnreadable(LedgerError):
    message = "The views are half-built, and can't say what the account wants"


# Errors that say nothing about the card: an operator has to act, or the call is repeated later.
_NOT_NOW = (ProviderNotConfigured, CannotCollect, NoRateInEffect, PolicyUnreadable)


class CallResult(NamedTuple):
    """The answer to a call, and the payment that it is about."""

    answer: ProviderAnswer
    payment: Payment | None = None


class TopUpProviderCalls:
    """Makes the calls that `ledger.core.top_up_attempts` decides: writes the row before, handles the payment after."""

    def __init__(
        self, settings: Settings, gateways: Gateways, database: Database, updates: ProviderUpdates, clock: Clock
    ) -> None:
        self._settings, self._gateways, self._database = settings, gateways, database
        self._updates, self._clock = updates, clock
        self._lease = timedelta(seconds=settings.top_up_lease_seconds)

    def make(self, trigger: Trigger, call: ProviderCall) -> CallResult:
        """Makes a call. A payment that the provider says is paid is on the log when this returns.

        Raises LeaseLost or LogRefused before the provider is asked; LogUnavailable; psycopg.Error.
        """
        try:
            payment = self._ask(collector_of(gateway_of(self._gateways, trigger.provider)), trigger, call)
        except (LeaseLost, LogUnavailable):
            raise
        except _NOT_NOW as error:
            log.warning("top_up_not_charged", trigger_id=trigger.trigger_id, reason=str(error))
            return CallResult(ProviderAnswer("unavailable", error.code))
        except LedgerError as error:
            return CallResult(_answer_of_error(error, call))
        if payment is None:
            return CallResult(ProviderAnswer("not_found"))
        return self._handle(trigger, payment)

    def _ask(self, collector: Collector, trigger: Trigger, call: ProviderCall) -> Payment | None:
        match call:
            case "charge":
                return self._charge(collector, trigger)
            case "ask":
                return collector.payment(_reference(trigger))
            case "cancel":
                return collector.cancel(_reference(trigger))
        return self._find(collector, trigger)

    def _charge(self, collector: Collector, trigger: Trigger) -> Payment:
        self._updates.check()
        with self._database() as connection:
            who = load_buyer(connection, trigger.account_id)
            attempt = top_up_triggers.attempt(connection, trigger)
        attempt = attempt or self._new_attempt(collector, trigger, who)
        with self._database() as connection:
            attempt = top_up_triggers.begin_attempt(connection, trigger, attempt, self._lease)
        terms = _terms(trigger, attempt)
        key, ledger = self._settings.signing_key(), self._settings.topic_prefix
        metadata = {**signed_metadata(terms, key, ledger), ATTEMPT: str(trigger.attempt)}
        idempotency_key = f"topup:{trigger.trigger_id}:{trigger.attempt}"
        request = AttemptRequest(terms, metadata, attempt.customer_id, attempt.method_id, who, idempotency_key)
        return collector.collect(request, self._clock())

    def _new_attempt(self, collector: Collector, trigger: Trigger, who: Buyer) -> Attempt:
        """An attempt that was not made yet: at the price of the trigger's day, with the method of today's policy.

        Raises BillingCountryMissing, NoPaymentMethod, NoRateInEffect, SwitchedOff, PolicyUnreadable.
        """
        method_id = self._current_method(trigger)
        with self._database() as connection:
            customer_id = customers.find(connection, trigger.account_id, trigger.provider)
        country = tax_country(self._settings, trigger.provider, who)
        day = trigger.triggered_at.astimezone(UTC).date()
        priced = price(self._settings, trigger.provider, trigger.credits, country, day)
        source = collector.source(customer_id, method_id)
        return Attempt(*source, priced.currency, priced.amount_minor, priced.tax_minor, priced.fx_rate)

    def _current_method(self, trigger: Trigger) -> str | None:
        """Today's method, if the policy's provider is still the trigger's. Raises SwitchedOff, PolicyUnreadable."""
        with self._database() as connection:
            policy = top_up_triggers.policy(connection, trigger.account_id)
        if policy is None:
            raise PolicyUnreadable()
        if not policy.enabled:
            raise SwitchedOff()
        same = provider_for(self._gateways, policy.provider) == trigger.provider
        return policy.method_id if same else trigger.method_id

    def _find(self, collector: Collector, trigger: Trigger) -> Payment | None:
        """The paid one of the trigger's payments, else the latest, unless our row knows of a later attempt."""
        with self._database() as connection:
            attempt = top_up_triggers.attempt(connection, trigger)
            customer_id = attempt and attempt.customer_id
            customer_id = customer_id or customers.find(connection, trigger.account_id, trigger.provider)
        found = collector.find(customer_id, trigger.trigger_id, trigger.search_from)
        decisive = max(found, key=lambda payment: (payment.status == "paid", _attempt_of(payment)), default=None)
        if decisive is None or (decisive.status != "paid" and _attempt_of(decisive) < trigger.attempt):
            return None
        return decisive

    def _handle(self, trigger: Trigger, payment: Payment) -> CallResult:
        attempt = _attempt_of(payment)
        if payment.status == "pending":
            return CallResult(ProviderAnswer("pending", "", attempt), payment)
        if payment.status == "failed":
            return CallResult(ProviderAnswer(payment.decline or "hard", _code(payment), attempt), payment)
        outcome = self._updates.payments.handle(trigger.provider, payment)
        return CallResult(ProviderAnswer("paid" if outcome in CREDITED else "mismatched", outcome, attempt), payment)


def _terms(trigger: Trigger, attempt: Attempt) -> PaymentTerms:
    """A trigger is one purchase, so its id is the purchase's."""
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
    assert trigger.payment_id, "a payment that is pending or to be canceled has an id"
    return trigger.payment_id


def _answer_of_error(error: LedgerError, call: ProviderCall) -> ProviderAnswer:
    """What an error means for the charge. A refused look-up says nothing about what was charged."""
    if isinstance(error, ProviderUnknown) or (isinstance(error, ProviderRefuses) and call in ("find", "ask")):
        return ProviderAnswer("unknown", error.code)
    if isinstance(error, ProviderError) and not isinstance(error, ProviderRefuses):
        return ProviderAnswer("unavailable", error.code)
    return ProviderAnswer("refused", error.code)


def _attempt_of(payment: Payment) -> int:
    """The attempt that a payment was made for, by its metadata; 0 if they name none."""
    text = payment.metadata.get(ATTEMPT, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _code(payment: Payment) -> str:
    """The provider's failure code in the form that the log accepts."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in payment.failure or "unknown")
    return plain.lower()[:64] if plain[:1].isalpha() else f"code_{plain.lower()}"[:64]
