"""The payment sweep: asks providers for everything that webhooks may have missed, until it is final.

Every few seconds the open purchases that are due, by their id; every some minutes all payments, refunds, disputes and
payouts of the last 30 days. What they say goes the way of every news, so that to hear it again changes nothing. Each
provider has a sweep of its own: one that is away does not keep the others waiting.
"""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import chain

import structlog
from prometheus_client import Counter

from consumers.appending import Appending
from ledger.log.publisher import Permit
from ledger.payments.event_recorder import Append, EventRecorder
from ledger.payments.gateway import Gateway, News, Payment, ProviderError, ProviderRefuses
from ledger.payments.gateways import gateways_of
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.purchases import Purchases
from ledger.payments.reconciliation import Reconciliation
from ledger.postgres.types import Connection
from ledger.records import checkouts, rebuilds, sweeps
from ledger.settings import Settings
from ledger.views.payments import oldest_open_dispute, perhaps_lost

NAME = "payment-sweep"
_OVERLAP = timedelta(days=30)
_CREDITED = {"credited", "already"}
_HEALED = {"credited", "refunded", "disputed", "won", "lost", "received"}
HEALED = Counter(
    "ledger_payment_sweep_healed", "What no webhook or customer told before the sweep.", ("provider", "outcome")
)

log = structlog.get_logger()


def payment_sweeps(settings: Settings, permit: Permit, stopping: threading.Event) -> list["PaymentSweep"]:
    """One per provider; none with LEDGER_PAYMENTS=off. Raises SettingMissing or SettingsInvalid."""
    return [PaymentSweep(settings, gateway, permit, stopping) for gateway in gateways_of(settings).values()]


class PaymentSweep:
    """Of one provider. A Task, whose rounds raise what asking the provider, Postgres and the log raises."""

    def __init__(self, settings: Settings, gateway: Gateway, permit: Permit, stopping: threading.Event) -> None:
        self.name, self.seconds = f"{NAME}:{gateway.provider}", settings.sweep_seconds
        self._settings, self._gateway, self._provider = settings, gateway, gateway.provider
        self._stopping = stopping
        self._append = Appending(settings, permit)
        for outcome in _HEALED:  # from zero on, for alarms
            HEALED.labels(gateway.provider, outcome)
        self._reconciling = Reconciliation(settings, gateway)

    def once(self, connection: Connection) -> None:
        """Asks about what is due, and reads the lists when it is time to."""
        self._append.check()
        if rebuilds.unfinished(connection):  # half-built views say of everything that it is missing
            return
        round_ = _Round(self._settings, self._gateway, connection, self._append)
        self._ask_open(round_)
        began, last = datetime.now(UTC), sweeps.complete_at(connection, self._provider)
        if last is None or began - last >= timedelta(seconds=self._settings.sweep_lists_seconds):
            self._read_lists(round_, (last or began) - _OVERLAP)
            if not self._stopping.is_set():
                sweeps.completed(connection, self._provider, began)
        self._reconciling.charged(round_.recording)

    def close(self) -> None:
        """Lets go of the producer."""
        self._append.close()

    def _ask_open(self, round_: "_Round") -> None:
        for checkout_id in sweeps.due(round_.connection, self._provider):
            if self._stopping.is_set():
                return
            try:
                round_.ask(checkout_id)
            except ProviderError as error:
                log.warning("not_asked", provider=self._provider, checkout_id=checkout_id, reason=str(error))
                if not isinstance(error, ProviderRefuses):
                    return  # Is it away, or is it this one? The lists say, and then the others are due before this one.

    def _read_lists(self, round_: "_Round", since: datetime) -> None:
        paid = set()
        for news in self._lists(round_.connection, since):
            if self._stopping.is_set():
                return
            outcome = round_.handle(news)
            if isinstance(news, Payment) and outcome in _CREDITED:
                paid.add(news.payment_id)
                self._reconciling.expect(news)
        self._reconciling.credited(round_.recording, since, paid)

    def _lists(self, connection: Connection, since: datetime) -> Iterator[News]:
        """Payments before what becomes of them. Banks decide for months: back to the oldest dispute that is open."""
        opened = oldest_open_dispute(connection, self._provider) or since
        gateway = self._gateway
        disputes = gateway.disputes(min(since, opened))
        payments = chain(self._lost(connection), gateway.payments(since))
        return chain(payments, gateway.refunds(since), disputes, gateway.payouts(since))

    def _lost(self, connection: Connection) -> Iterator[News]:
        """Payments of any age that were credited, and that the log has lost since."""
        for payment_id in perhaps_lost(connection, self._provider):
            try:
                yield self._gateway.payment(payment_id)
            except ProviderRefuses as error:
                log.warning("not_asked", provider=self._provider, payment_id=payment_id, reason=str(error))


class _Round:
    """What one round asks with, over its own connection."""

    def __init__(self, settings: Settings, gateway: Gateway, connection: Connection, append: Append) -> None:
        self._settings, self._provider, self.connection = settings, gateway.provider, connection
        gateways = {gateway.provider: gateway}

        def database() -> nullcontext[Connection]:
            return nullcontext(connection)

        self.recording = EventRecorder(database, append)
        self._updates = ProviderUpdates(settings, gateways, database, append)
        self._purchases = Purchases(settings, gateways, database, self._updates)

    def ask(self, checkout_id: str) -> None:
        """Asks what became of a purchase. One that stays unpaid for too long is over, as far as we wait for it."""
        row = self._purchases.refresh(checkout_id)
        if not row.open:
            self._note(checkout_id, row.state)
        elif datetime.now(UTC) - row.created_at > timedelta(days=self._settings.unpaid_days):
            checkouts.ended(self.connection, checkout_id, "expired", "not_paid")

    def handle(self, news: News) -> str:
        """What came of it. News that the provider itself can't complete is passed over, not lost: it comes again."""
        id_ = news[0]  # each kind begins with the provider's id of it
        try:
            outcome = self._updates.handle(self._provider, news)
        except ProviderRefuses as error:
            log.warning("not_learned", provider=self._provider, id=id_, reason=str(error))
            return "ignored"
        self._note(id_, outcome)
        return outcome

    def _note(self, id_: str, outcome: str) -> None:
        if outcome in _HEALED:
            HEALED.labels(self._provider, outcome).inc()
            log.info("learned", provider=self._provider, id=id_, outcome=outcome)
