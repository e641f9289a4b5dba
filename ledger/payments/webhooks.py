"""A provider's webhook: verified, stored, handled once, and answered with its outcome.

Its signature says who sent it. Bodies contain personal data, and are neither logged nor stored.
"""

from collections.abc import Mapping
from typing import Literal

import structlog
from pydantic import TypeAdapter

from ledger.core.errors import LedgerError
from ledger.payments.event_recorder import Database
from ledger.payments.gateways import Gateways, gateway_of
from ledger.payments.outcomes import Outcome
from ledger.payments.provider_updates import ProviderUpdates
from ledger.records import provider_events
from ledger.settings import Settings

# other_mode: a webhook of the test mode for a live ledger, or the other way round.
WebhookOutcome = Outcome | Literal["other_mode"]
_STORED: TypeAdapter[WebhookOutcome] = TypeAdapter(WebhookOutcome)

log = structlog.get_logger()


class WebhookOfOtherMode(LedgerError):
    message = "The webhook is of the provider's test mode and this ledger is live, or the other way round"


class PaymentMismatch(LedgerError):
    message = "What the provider says does not fit what was agreed; nothing was credited, and an alert was raised"


# A refused webhook is sent again by its provider, and handled again: people may have corrected the cause meanwhile.
_REFUSED: Mapping[WebhookOutcome, type[LedgerError]] = {"mismatch": PaymentMismatch, "other_mode": WebhookOfOtherMode}


class Webhooks:
    """Blocks while it asks providers, Postgres and the log; threads may share it."""

    def __init__(self, settings: Settings, gateways: Gateways, database: Database, updates: ProviderUpdates) -> None:
        self._live = settings.payments == "live"
        self._gateways, self._database, self._updates = gateways, database, updates

    def receive(self, provider: str, raw: bytes, headers: Mapping[str, str]) -> WebhookOutcome:
        """The webhook's outcome, from now or from when the same webhook came before.

        Raises ProviderNotConfigured, WebhookForged, WebhookUnreadable, PaymentMismatch, WebhookOfOtherMode, and what
        ProviderUpdates.handle raises.
        """
        outcome = self._outcome(provider, raw, headers)
        if outcome in _REFUSED:
            raise _REFUSED[outcome]()
        return outcome

    def _outcome(self, provider: str, raw: bytes, headers: Mapping[str, str]) -> WebhookOutcome:
        webhook = gateway_of(self._gateways, provider).webhook(raw, headers)
        with self._database() as connection:
            stored = provider_events.note_received(
                connection, provider, webhook.event_id, webhook.type, webhook.created
            )
        if stored is not None and (earlier := _STORED.validate_python(stored)) not in _REFUSED:
            return earlier
        outcome: WebhookOutcome = "ignored"
        if webhook.live != self._live:
            outcome = "other_mode"
        elif webhook.update is not None:
            outcome = self._updates.handle(provider, webhook.update)
        with self._database() as connection:
            provider_events.note_outcome(connection, provider, webhook.event_id, outcome)
        log.info("webhook", provider=provider, type=webhook.type, event_id=webhook.event_id, outcome=outcome)
        return outcome
