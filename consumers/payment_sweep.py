"""The payment sweep: asks the providers for everything that webhooks may have missed.

Every few seconds it asks for the open purchases that are due, by id. Every few minutes it reads all payments, refunds,
disputes and payouts of the last 30 days. Their updates are handled like those of webhooks, so repetitions change
nothing. Each provider has its own sweep, so a provider that is away does not delay the others.
"""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import chain

import structlog
from prometheus_client import Counter

from consumers.log_writable import open_appender
from ledger.log.publisher import AppendGuard
from ledger.payments.event_recorder import EventLog, EventRecorder
from ledger.payments.gateway import Gateway, Payment, ProviderError, ProviderRefuses, ProviderUpdate
from ledger.payments.gateways import gateways_of
from ledger.payments.outcomes import APPENDED, CREDITED, Outcome
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.purchases import Purchases
from ledger.payments.reconciliation import Reconciliation
from ledger.postgres.types import Connection
from ledger.records import checkouts, rebuilds, sweeps
from ledger.settings import Settings
from ledger.views.payments import oldest_open_dispute, perhaps_lost

NAME = "payment-sweep"
_OVERLAP = timedelta(days=30)
HEALED = Counter(
    "ledger_payment_sweep_healed", "Updates that the sweep was the first to handle.", ("provider", "outcome")
)

log = structlog.get_logger()


def payment_sweeps(settings: Settings, guard: AppendGuard, stopping: threading.Event) -> list["PaymentSweep"]:
    """One per provider; none with LEDGER_PAYMENTS=off. Raises SettingMissing or SettingsInvalid."""
    return [PaymentSweep(settings, gateway, guard, stopping) for gateway in gateways_of(settings).values()]


class PaymentSweep:
    """The sweep of one provider. A Task; a round raises what asking the provider, Postgres and the log raises."""

    def __init__(self, settings: Settings, gateway: Gateway, guard: AppendGuard, stopping: threading.Event) -> None:
        self.name, self.seconds = f"{NAME}:{gateway.provider}", settings.sweep_seconds
        self._settings, self._gateway, self._provider = settings, gateway, gateway.provider
        self._stopping = stopping
        self._event_log = open_appender(settings, guard)
        for outcome in APPENDED:  # shown from zero, so that an alarm sees the first increase
            HEALED.labels(gateway.provider, outcome)
        self._reconciliation = Reconciliation(settings, gateway)

    def do_round(self, connection: Connection) -> None:
        """Asks for the purchases that are due, and reads the lists when they are due."""
        self._event_log.check()
        if rebuilds.unfinished(connection):  # in half-built views every purchase looks missing
            return
        round_ = _Round(self._settings, self._gateway, connection, self._event_log)
        self._ask_open(round_)
        began, last = datetime.now(UTC), sweeps.last_completed(connection, self._provider)
        if last is None or began - last >= timedelta(seconds=self._settings.sweep_lists_seconds):
            self._read_lists(round_, (last or began) - _OVERLAP)
            if not self._stopping.is_set():
                sweeps.mark_completed(connection, self._provider, began)
        self._reconciliation.check_charged(round_.recorder)

    def close(self) -> None:
        """Closes the producer."""
        self._event_log.close()

    def _ask_open(self, round_: "_Round") -> None:
        for checkout_id in sweeps.due(round_.connection, self._provider):
            if self._stopping.is_set():
                return
            try:
                round_.ask(checkout_id)
            except ProviderError as error:
                log.warning("not_asked", provider=self._provider, checkout_id=checkout_id, reason=str(error))
                if not isinstance(error, ProviderRefuses):
                    return  # the provider may be away, or only this purchase fails: next time the others are due first

    def _read_lists(self, round_: "_Round", since: datetime) -> None:
        paid = set()
        for update in self._lists(round_.connection, since):
            if self._stopping.is_set():
                return
            outcome = round_.handle(update)
            if isinstance(update, Payment) and outcome in CREDITED:
                paid.add(update.payment_id)
                self._reconciliation.expect(update)
        self._reconciliation.check_credited(round_.recorder, since, paid)

    def _lists(self, connection: Connection, since: datetime) -> Iterator[ProviderUpdate]:
        """Payments first, then their refunds and disputes. Disputes since the oldest open one: banks take months."""
        opened = oldest_open_dispute(connection, self._provider) or since
        gateway = self._gateway
        disputes = gateway.disputes(min(since, opened))
        payments = chain(self._lost(connection), gateway.payments(since))
        return chain(payments, gateway.refunds(since), disputes, gateway.payouts(since))

    def _lost(self, connection: Connection) -> Iterator[ProviderUpdate]:
        """Payments that were credited, of any age, whose event the log may have lost since."""
        for payment_id in perhaps_lost(connection, self._provider):
            try:
                yield self._gateway.payment(payment_id)
            except ProviderRefuses as error:
                log.warning("not_asked", provider=self._provider, payment_id=payment_id, reason=str(error))


class _Round:
    """One round, on its own connection."""

    def __init__(self, settings: Settings, gateway: Gateway, connection: Connection, event_log: EventLog) -> None:
        self._settings, self._provider, self.connection = settings, gateway.provider, connection
        gateways = {gateway.provider: gateway}

        def database() -> nullcontext[Connection]:
            return nullcontext(connection)

        self.recorder = EventRecorder(database, event_log)
        self._updates = ProviderUpdates(settings, gateways, database, event_log)
        self._purchases = Purchases(settings, gateways, database, self._updates)

    def ask(self, checkout_id: str) -> None:
        """Asks for a purchase. One that is unpaid after LEDGER_UNPAID_DAYS has expired."""
        row = self._purchases.refresh(checkout_id)
        if row.state == "credited":
            self._note(checkout_id, "credited")
        elif row.open and datetime.now(UTC) - row.created_at > timedelta(days=self._settings.unpaid_days):
            checkouts.mark_ended(self.connection, checkout_id, "expired", "not_paid")

    def handle(self, update: ProviderUpdate) -> Outcome:
        """Handles an update. One that the provider refuses to complete is skipped; the next round has it again."""
        id_ = update[0]  # the first field of every kind of update is the provider's id
        try:
            outcome = self._updates.handle(self._provider, update)
        except ProviderRefuses as error:
            log.warning("update_not_handled", provider=self._provider, id=id_, reason=str(error))
            return "ignored"
        self._note(id_, outcome)
        return outcome

    def _note(self, id_: str, outcome: Outcome) -> None:
        if outcome in APPENDED:
            HEALED.labels(self._provider, outcome).inc()
            log.info("update_handled", provider=self._provider, id=id_, outcome=outcome)
