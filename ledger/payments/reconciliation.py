"""What providers say was paid held against what the ledger has credited, both ways; each difference is one alert.

An alert that is not true any more is taken back, unless people have resolved it.
"""

import time
from collections.abc import Collection, Sequence
from datetime import datetime

from ledger.payments.event_recorder import EventRecorder
from ledger.payments.gateway import Gateway, Payment, ProviderRefuses
from ledger.payments.payment_alerts import CHARGED_NOT_CREDITED, CREDITED_NOT_CHARGED
from ledger.payments.payment_terms import terms_of
from ledger.records import payment_alerts
from ledger.settings import Settings
from ledger.views.payments import PaidPurchase, credited_since, uncredited


class Reconciliation:
    """Of one provider. What was just credited is given its time to be projected (LEDGER_CREDITED_SECONDS)."""

    def __init__(self, settings: Settings, gateway: Gateway) -> None:
        self._settings, self._gateway, self._provider = settings, gateway, gateway.provider
        self._awaited: dict[PaidPurchase, float] = {}  # since when, by this machine's clock

    def expect(self, payment: Payment) -> None:
        """This payment is paid and was credited, now or before: its purchase must be projected soon."""
        terms = terms_of(payment.metadata, self._settings.secrets, self._settings.topic_prefix)
        if terms is not None:
            paid = PaidPurchase(payment.payment_id, terms.account_id, terms.purchase_id)
            self._awaited.setdefault(paid, time.monotonic())

    def charged(self, recording: EventRecorder) -> None:
        """Alerts of what was paid so long ago, and is still not projected."""
        with recording.database() as connection:
            missing = uncredited(connection, list(self._awaited))
            payment_alerts.withdraw_credited(connection, self._provider, CHARGED_NOT_CREDITED)
        overdue = time.monotonic() - self._settings.credited_seconds
        self._alert(recording, CHARGED_NOT_CREDITED, [paid for paid in missing if self._awaited[paid] <= overdue])
        self._awaited = {paid: self._awaited[paid] for paid in missing if self._awaited[paid] > overdue}

    def credited(self, recording: EventRecorder, since: datetime, paid: Collection[str]) -> None:
        """Alerts of purchases since then whose payment the provider does not know, or says is not paid.

        `paid`: payments that it says are. Raises what the gateway raises.
        """
        with recording.database() as connection:
            payment_alerts.withdraw(connection, self._provider, CREDITED_NOT_CHARGED, paid)
            known = payment_alerts.known(connection, self._provider, CREDITED_NOT_CHARGED).union(paid)
            doubtful = [one for one in credited_since(connection, self._provider, since) if one.payment_id not in known]
        self._alert(recording, CREDITED_NOT_CHARGED, [one for one in doubtful if not self._is_paid(one.payment_id)])

    def _is_paid(self, payment_id: str) -> bool:
        """A payment can be older than its list: paid days after it was made, or while the list was read."""
        try:
            return self._gateway.payment(payment_id).status == "paid"
        except ProviderRefuses:
            return False

    def _alert(self, recording: EventRecorder, reason: str, found: Sequence[PaidPurchase]) -> None:
        for one in found:
            recording.alert(self._provider, one.payment_id, reason, one.account_id, purchase_id=one.purchase_id)
