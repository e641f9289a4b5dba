"""Compares what providers say was paid with what the ledger has credited, in both directions.

Each difference raises one alert. An alert that is no longer true is withdrawn, unless people have resolved it.
"""

import time
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

from ledger.payments.event_recorder import EventRecorder
from ledger.payments.gateway import Gateway, Payment, ProviderRefuses
from ledger.payments.payment_terms import read_terms
from ledger.records import payment_alerts
from ledger.settings import Settings
from ledger.views.payments import PaidPurchase, credited_since, uncredited


class Reconciliation:
    """For one provider. A payment that was just credited gets LEDGER_CREDITED_SECONDS to be projected."""

    def __init__(self, settings: Settings, gateway: Gateway) -> None:
        self._settings, self._gateway, self._provider = settings, gateway, gateway.provider
        self._expected: dict[PaidPurchase, float] = {}  # since when, by this machine's monotonic clock

    def expect(self, payment: Payment) -> None:
        """Notes a payment that is paid and credited: its purchase must be projected soon."""
        terms = read_terms(payment.metadata, self._settings.secrets, self._settings.topic_prefix)
        if terms is not None:
            paid = PaidPurchase(payment.payment_id, terms.account_id, terms.purchase_id)
            self._expected.setdefault(paid, time.monotonic())

    def check_charged(self, recorder: EventRecorder) -> None:
        """Raises an alert for each expected purchase that is still not projected after the time it was given."""
        with recorder.database() as connection:
            missing = uncredited(connection, list(self._expected))
            payment_alerts.withdraw_credited(connection, self._provider, "charged_not_credited")
        overdue = time.monotonic() - self._settings.credited_seconds
        late = [paid for paid in missing if self._expected[paid] <= overdue]
        self._alert(recorder, "charged_not_credited", late)
        self._expected = {paid: self._expected[paid] for paid in missing if self._expected[paid] > overdue}

    def check_credited(self, recorder: EventRecorder, since: datetime, paid: Collection[str]) -> None:
        """Raises an alert for each purchase since `since` whose payment is unknown to the provider, or is not paid.

        `paid`: ids of payments that the provider has listed as paid. Raises what the gateway raises.
        """
        with recorder.database() as connection:
            payment_alerts.withdraw(connection, self._provider, "credited_not_charged", paid)
            settled = payment_alerts.alerted_payments(connection, self._provider, "credited_not_charged").union(paid)
            credited = credited_since(connection, self._provider, since)
        unpaid = [one for one in credited if one.payment_id not in settled and not self._is_paid(one.payment_id)]
        self._alert(recorder, "credited_not_charged", unpaid)

    def _is_paid(self, payment_id: str) -> bool:
        """Asks for one payment. The list can miss it: it was paid days after it was made, or during the listing."""
        try:
            return self._gateway.payment(payment_id).status == "paid"
        except ProviderRefuses:
            return False

    def _alert(
        self,
        recorder: EventRecorder,
        reason: Literal["charged_not_credited", "credited_not_charged"],
        found: Sequence[PaidPurchase],
    ) -> None:
        for one in found:
            recorder.raise_alert(self._provider, one.payment_id, reason, one.account_id, purchase_id=one.purchase_id)
