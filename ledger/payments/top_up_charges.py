"""Charges auto top-ups: carries out what `ledger.core.top_up_attempts` decides about each trigger.

The provider has the truth: every process may repeat every step, with the same result. The row is written before the
provider is asked, and again after the event is on the log.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog

from ledger.core.errors import LedgerError
from ledger.core.top_up_attempts import (
    AUTHENTICATION_REQUIRED,
    ProviderAnswer,
    ProviderCall,
    decide,
    dropped,
    next_call,
)
from ledger.payments import payment_events
from ledger.payments.clock import Clock, utc_now
from ledger.payments.event_recorder import Database, EventLog, EventRecorder
from ledger.payments.gateway import Payment
from ledger.payments.gateways import Gateways
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.public_urls import pay_url
from ledger.payments.purchases import PurchaseRequest, Purchases, purchase_limits
from ledger.payments.top_up_provider_calls import CallResult, TopUpProviderCalls
from ledger.records import top_up_triggers
from ledger.records.top_up_triggers import LeaseLost, NewTrigger, Trigger
from ledger.settings import Settings

# Called with the result of each call, for metrics.
Observe = Callable[[Trigger, ProviderCall, ProviderAnswer], None]

log = structlog.get_logger()


class TopUpCharges:
    """Blocks while it asks providers, Postgres and the log; threads and processes may share triggers.

    Every method may raise LogUnavailable and psycopg.Error; the trigger is then continued later.
    """

    def __init__(
        self,
        settings: Settings,
        gateways: Gateways,
        database: Database,
        event_log: EventLog,
        observe: Observe,
        clock: Clock = utc_now,
    ) -> None:
        self._settings, self._database, self._observe, self._clock = settings, database, observe, clock
        self._recorder = EventRecorder(database, event_log)
        updates = ProviderUpdates(settings, gateways, database, event_log)
        self._calls = TopUpProviderCalls(settings, gateways, database, updates, clock)
        self._purchases = Purchases(settings, gateways, database, updates)
        self._lease = timedelta(seconds=settings.top_up_lease_seconds)

    def start(self, new: NewTrigger) -> None:
        """Writes the row of a trigger, if its account is in flight with it, and advances it as far as possible now."""
        with self._database() as connection:
            top_up_triggers.insert(connection, new, self._clock())
        self.advance(new.trigger_id)

    def due(self, limit: int) -> list[str]:
        """Ids of triggers that are due, the longest due first."""
        with self._database() as connection:
            return top_up_triggers.due(connection, self._clock(), limit)

    def advance(self, trigger_id: str) -> None:
        """Does all that can be done about a trigger now, unless another process does."""
        with self._database() as connection:
            trigger = top_up_triggers.lease(connection, trigger_id, self._lease, self._clock())
        if trigger is None:
            return
        try:
            step: Trigger | None = trigger
            while step is not None:
                step = self._step(step)
        except LeaseLost:  # another process has it now
            return
        except Exception:
            with self._database() as connection:
                top_up_triggers.release_lease(connection, trigger)
            raise

    def _step(self, trigger: Trigger) -> Trigger | None:
        """Makes one call and saves the row with what it decided; None if there is nothing more to do now."""
        call = self._next_call(trigger)
        # Without a call: the views can't say whether the trigger is wanted, so it waits as if the provider were away.
        result = CallResult(ProviderAnswer("unavailable")) if call in (None, "drop") else self._make(trigger, call)
        now = self._clock()
        decision = decide(trigger.progress, result.answer, now, self._settings.top_up_attempts)
        if call == "drop":
            decision = dropped(trigger.progress)
        if decision.failure is not None:
            failure = payment_events.top_up_failed(trigger.account_id, trigger.trigger_id, decision.failure, now)
            self._recorder.append_once(failure)
        later = self._with_payment(trigger.decided(decision), result.payment)
        is_idle = decision.due_at is None or decision.due_at > now
        with self._database() as connection:
            top_up_triggers.save(connection, later, self._lease, rests=is_idle)
        return None if is_idle else later

    def _next_call(self, trigger: Trigger) -> ProviderCall | None:
        """None while the views are half-built and can't say whether the trigger is wanted."""
        wanted: bool | None = True
        if trigger.state == "due":
            with self._database() as connection:
                wanted = top_up_triggers.is_in_flight(connection, trigger.account_id, trigger.trigger_id)
        if wanted is None:
            return None
        return next_call(trigger.progress, wanted=wanted, search_from=trigger.search_from, now=self._clock())

    def _make(self, trigger: Trigger, call: ProviderCall) -> CallResult:
        result = self._calls.make(trigger, call)
        self._observe(trigger, call, result.answer)
        payment_id = result.payment.payment_id if result.payment else None
        with self._database() as connection:
            top_up_triggers.end_attempt(connection, trigger, result.answer.kind, result.answer.code, payment_id)
        return result

    def _with_payment(self, later: Trigger, payment: Payment | None) -> Trigger:
        """The row with its payment, and where the customer can pay."""
        if later.state in ("due", "dropped"):
            return later._replace(payment_id=None, url=None)
        if payment is not None:
            payment_id = payment.payment_id if payment.status == "paid" else payment.reference or payment.payment_id
            later = later._replace(payment_id=payment_id, url=payment.action_url)
        if later.state == "suspended" and later.failure == AUTHENTICATION_REQUIRED:
            later = later._replace(url=self._begin_purchase(later))
        return later

    def _begin_purchase(self, trigger: Trigger) -> str | None:
        """The page of an ordinary purchase of as much, where the bank can ask the customer. It lifts the suspension."""
        wanted = PurchaseRequest(
            trigger.account_id, trigger.credits, trigger.provider, request=f"topup:{trigger.trigger_id}"
        )
        # The fold has sized the trigger so that one event may credit it.
        limits = purchase_limits(self._settings, event_max=trigger.credits)
        try:
            row = self._purchases.buy(wanted, limits)
        except LedgerError as error:  # the page is only a help; the customer can buy otherwise
            log.warning("no_page_for_top_up", trigger_id=trigger.trigger_id, reason=str(error))
            return None
        return pay_url(self._settings, row.checkout_id)
