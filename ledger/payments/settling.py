"""The one place where what a provider says becomes facts: for webhooks, return pages, sweeps and chargers.

Learning is idempotent, in any order and however often: what is on the log already stays as it is.
"""

from ledger.payments import facts
from ledger.payments.crediting import Crediting
from ledger.payments.gateway import Dispute, MethodsChanged, News, Payment, Payout, Refund
from ledger.payments.gateways import Gateways
from ledger.payments.recording import Append, Database, Recording
from ledger.payments.resuming import Resuming
from ledger.payments.reversing import Reversing
from ledger.settings import Settings


class Settling:
    """Blocks while it asks providers, Postgres and the log; several threads may use it at once."""

    def __init__(self, settings: Settings, gateways: Gateways, database: Database, append: Append) -> None:
        self._append = append
        self._recording = Recording(database, append)
        self._crediting = Crediting(settings, self._recording)
        self._reversing = Reversing(gateways, self._crediting, self._recording)
        self._resuming = Resuming(self._recording)

    def check(self) -> None:
        """Before anybody pays: whether it could be recorded now. Raises LogUnavailable or LogRefused."""
        self._append.check()

    def learn(self, provider: str, news: News) -> str:
        """Does what the news calls for, and says what that was.

        credited, refunded, disputed, won, lost, received, resumed: a fact was appended and acknowledged. already: it
        was before. pending, declined, failed, expired: no money came or went. mismatch: people were told. ignored: none
        of ours. Raises LogUnavailable, psycopg.Error, and what asking the provider raises.
        """
        match news:
            case Payment():
                return self._crediting.learn(provider, news)
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
        return "received" if self._recording.record(facts.payout_received(provider, payout)) else "already"
