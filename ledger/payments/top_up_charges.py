"""Carries out what `ledger.core.charging` decides about triggers: rows, calls of providers, facts on the log.

The provider is what is true: each step may be done again, by anybody, and comes to the same. A row is written before
the provider is asked, and again after the fact is on the log.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog

from ledger.core.charging import AUTHENTICATION_REQUIRED, Answer, Call, after, dropped, next_call
from ledger.core.errors import LedgerError
from ledger.payments import payment_events
from ledger.payments.clock import Clock, utc_now
from ledger.payments.event_recorder import Append, Database, EventRecorder
from ledger.payments.gateway import Payment
from ledger.payments.gateways import Gateways
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.public_urls import pay_url
from ledger.payments.purchases import Purchases, Wanted, purchase_limits
from ledger.payments.top_up_provider_calls import CallResult, TopUpProviderCalls
from ledger.records import top_up_triggers
from ledger.records.top_up_triggers import LeaseLost, NewTrigger, Trigger
from ledger.settings import Settings

# What a call came to, for whoever counts.
Watch = Callable[[Trigger, Call, Answer], None]

log = structlog.get_logger()


class TopUpCharges:
    """Blocks while it asks providers, Postgres and the log; several threads and processes may use it at once.

    Every method may raise LogUnavailable and psycopg.Error; then it is gone on with later.
    """

    def __init__(
        self,
        settings: Settings,
        gateways: Gateways,
        database: Database,
        append: Append,
        watch: Watch,
        clock: Clock = utc_now,
    ) -> None:
        self._settings, self._database, self._watch, self._clock = settings, database, watch, clock
        self._recording = EventRecorder(database, append)
        updates = ProviderUpdates(settings, gateways, database, append)
        self._calls = TopUpProviderCalls(settings, gateways, database, updates, clock)
        self._purchases = Purchases(settings, gateways, database, updates)
        self._lease = timedelta(seconds=settings.top_up_lease_seconds)

    def take(self, new: NewTrigger) -> None:
        """Notes a trigger, if its account is in flight with it, and goes on with it as far as that is possible now."""
        with self._database() as connection:
            top_up_triggers.take(connection, new, self._clock())
        self.go_on(new.trigger_id)

    def due(self, limit: int) -> list[str]:
        """Triggers that somebody should go on with, the longest due first."""
        with self._database() as connection:
            return top_up_triggers.due(connection, self._clock(), limit)

    def go_on(self, trigger_id: str) -> None:
        """Does all that can be done about a trigger now, unless somebody else does."""
        with self._database() as connection:
            trigger = top_up_triggers.lease(connection, trigger_id, self._lease, self._clock())
        if trigger is None:
            return
        try:
            step: Trigger | None = trigger
            while step is not None:
                step = self._step(step)
        except LeaseLost:  # whoever has it now goes on
            return
        except Exception:
            with self._database() as connection:
                top_up_triggers.let_go(connection, trigger)
            raise

    def _step(self, trigger: Trigger) -> Trigger | None:
        """One call, what it decides, and the row after it; None when there is nothing more to do now."""
        call = self._next_call(trigger)
        # Without a call the views can't say whether the trigger is wanted: as if the provider were away.
        heard = CallResult(Answer("unavailable")) if call in (None, "drop") else self._called(trigger, call)
        now = self._clock()
        decision = after(trigger.charge, heard.answer, now, self._settings.top_up_attempts)
        if call == "drop":
            decision = dropped(trigger.charge)
        if decision.failure is not None:
            failure = payment_events.top_up_failed(trigger.account_id, trigger.trigger_id, decision.failure, now)
            self._recording.record(failure)
        later = self._with_payment(trigger.decided(decision), heard.payment)
        rests = decision.due_at is None or decision.due_at > now
        with self._database() as connection:
            top_up_triggers.save(connection, later, self._lease, rests=rests)
        return None if rests else later

    def _next_call(self, trigger: Trigger) -> Call | None:
        """None while the views are half-built and can't say whether the trigger is wanted."""
        wanted: bool | None = True
        if trigger.state == "due":
            with self._database() as connection:
                wanted = top_up_triggers.is_wanted(connection, trigger.account_id, trigger.trigger_id)
        if wanted is None:
            return None
        return next_call(trigger.charge, wanted=wanted, search_from=trigger.search_from, now=self._clock())

    def _called(self, trigger: Trigger, call: Call) -> CallResult:
        heard = self._calls.heard(trigger, call)
        self._watch(trigger, call, heard.answer)
        payment_id = heard.payment.payment_id if heard.payment else None
        with self._database() as connection:
            top_up_triggers.answered(connection, trigger, heard.answer.kind, heard.answer.code, payment_id)
        return heard

    def _with_payment(self, later: Trigger, payment: Payment | None) -> Trigger:
        """The row with the payment that is known now, and where the customer can pay."""
        if later.state in ("due", "dropped"):
            return later._replace(payment_id=None, url=None)
        if payment is not None:
            known_as = payment.payment_id if payment.status == "paid" else payment.reference or payment.payment_id
            later = later._replace(payment_id=known_as, url=payment.action_url)
        if later.state == "suspended" and later.failure == AUTHENTICATION_REQUIRED:
            later = later._replace(url=self._page_instead(later))
        return later

    def _page_instead(self, trigger: Trigger) -> str | None:
        """Where the customer buys as much, and the bank can ask: an ordinary purchase, which lifts the suspension."""
        wanted = Wanted(trigger.account_id, trigger.credits, trigger.provider, request=f"topup:{trigger.trigger_id}")
        # The fold has sized the trigger so that one event may credit it.
        limits = purchase_limits(self._settings, event_max=trigger.credits)
        try:
            row = self._purchases.buy(wanted, limits)
        except LedgerError as error:  # the suspension is what counts; there are other ways to buy
            log.warning("no_page_for_top_up", trigger_id=trigger.trigger_id, reason=str(error))
            return None
        return pay_url(self._settings, row.checkout_id)
