"""Handles every update from a provider: those of webhooks, return pages, the sweep and the charger alike.

Handling is idempotent: updates may come in any order and more than once. An event that is on the log stays as it is.
"""

from ledger.payments.disputes import Disputes
from ledger.payments.event_recorder import Database, EventLog, EventRecorder
from ledger.payments.gateway import Dispute, MethodsChanged, Payment, Payout, ProviderUpdate, Refund
from ledger.payments.gateways import Gateways
from ledger.payments.incoming_payments import IncomingPayments
from ledger.payments.outcomes import Outcome
from ledger.payments.payment_methods import resume_top_ups
from ledger.payments.payouts import handle_payout
from ledger.payments.refunds import Refunds
from ledger.settings import Settings


class ProviderUpdates:
    """Blocks while it asks providers, Postgres and the log; threads may share it."""

    def __init__(self, settings: Settings, gateways: Gateways, database: Database, event_log: EventLog) -> None:
        self._recorder = EventRecorder(database, event_log)
        self.payments = IncomingPayments(settings, gateways, self._recorder)
        self.refunds = Refunds(gateways, self.payments, self._recorder)
        self._disputes = Disputes(self.payments, self._recorder)

    def check(self) -> None:
        """Called before a customer pays: raises LogUnavailable or LogRefused if it could not be recorded now."""
        self._recorder.event_log.check()

    def handle(self, provider: str, update: ProviderUpdate) -> Outcome:
        """Appends the events that follow from an update, and says what it led to.

        Raises LogUnavailable, psycopg.Error, and what asking the provider raises.
        """
        match update:
            case Payment():
                return self.payments.handle(provider, update)
            case Refund():
                return self.refunds.handle(provider, update)
            case Dispute():
                return self._disputes.handle(provider, update)
            case Payout():
                return handle_payout(self._recorder, provider, update)
            case MethodsChanged():
                return resume_top_ups(self._recorder, provider, update.customer_id)
