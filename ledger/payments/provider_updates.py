"""The one place where what a provider says becomes facts: for webhooks, return pages, sweeps and chargers.

Learning is idempotent, in any order and however often: what is on the log already stays as it is.
"""

from ledger.payments import payment_events
from ledger.payments.event_recorder import Append, Database, EventRecorder
from ledger.payments.gateway import Dispute, MethodsChanged, News, Payment, Payout, Refund
from ledger.payments.gateways import Gateways
from ledger.payments.incoming_payments import IncomingPayments
from ledger.payments.resuming import Resuming
from ledger.payments.reversing import Reversing
from ledger.settings import Settings


class ProviderUpdates:
    """Blocks while it asks providers, Postgres and the log; several threads may use it at once."""

    def __init__(self, settings: Settings, gateways: Gateways, database: Database, append: Append) -> None:
        self._append = append
        self._recording = EventRecorder(database, append)
        self._crediting = IncomingPayments(settings, self._recording)
        self._reversing = Reversing(gateways, self._crediting, self._recording)
        self._resuming = Resuming(self._recording)

    def check(self) -> None:
        """Before anybody pays: whether it could be recorded now. Raises LogUnavailable or LogRefused."""
        self._append.check()

    def handle(self, provider: str, news: News) -> str:
        """Does what the news calls for, and says what that was.

        credited, refunded, disputed, won, lost, received, resumed: a fact was appended and acknowledged. already: it
        was before. pending, declined, failed, expired: no money came or went. mismatch: people were told. ignored: none
        of ours. Raises LogUnavailable, psycopg.Error, and what asking the provider raises.
        """
        match news:
            case Payment():
                return self._crediting.handle(provider, news)
            case Refund():
                return self._reversing.refunded(provider, news)
            case Dispute():
                return self._reversing.disputed(provider, news)
            case Payout():
                return self._paid_out(provider, news)
            case MethodsChanged():
                return self._resuming.changed(provider, news)

    def _paid_out(self, provider: str, payout: Payout) -> str:
        if payout.amount_minor < 0 or payout.fee_minor < 0:  # the provider took money from our bank
            details = {"currency": payout.currency, "amount_minor": payout.amount_minor, "fee_minor": payout.fee_minor}
            return self._recording.alert(provider, payout.payout_id, "negative_payout", None, **details)
        return "received" if self._recording.record(payment_events.payout_received(provider, payout)) else "already"
