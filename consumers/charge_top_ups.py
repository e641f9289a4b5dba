"""Charges auto top-ups: each trigger of `ledger.topups` once, and again later where an attempt did not end it.

A record is committed when its trigger is credited or given up, or when its row says at what time it is due again.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import structlog

from consumers.consumer import Received
from consumers.log_writable import open_appender
from consumers.top_up_metrics import TRIGGERS, count
from ledger.core.calendar import moment_of
from ledger.log.publisher import AppendGuard
from ledger.payments.clock import Clock, utc_now
from ledger.payments.gateways import Gateways
from ledger.payments.top_up_charges import TopUpCharges
from ledger.postgres.kinds import CHARGER
from ledger.postgres.pools import ThreadPool
from ledger.postgres.types import Connection
from ledger.records.top_up_triggers import NewTrigger
from ledger.settings import Settings
from schemas.effects import AutoTopUpTriggered
from schemas.money import parse_nanos
from schemas.topics import TOP_UPS

NAME = "charge-top-ups"
_AT_ONCE = 64
_LATER_AT_ONCE = 8
_LATER_SECONDS = 1.0
_CONNECTIONS = 8

log = structlog.get_logger()


class Charging:
    """What charging needs: connections to Postgres for its threads, a producer for the log, the providers."""

    def __init__(self, settings: Settings, gateways: Gateways, guard: AppendGuard, clock: Clock = utc_now) -> None:
        self.gateways = gateways
        self._connections = ThreadPool(settings.database, CHARGER, _CONNECTIONS)
        self.event_log = open_appender(settings, guard)
        self.charges = TopUpCharges(settings, gateways, self._connections.connection, self.event_log, count, clock)

    def close(self) -> None:
        """Closes connections and producer."""
        self._connections.close()
        self.event_log.close()


class ChargeTopUps:
    """Starts each trigger of the fold. A Consumer."""

    name = NAME
    topics: ClassVar[Sequence[str]] = (TOP_UPS,)
    at_once = _AT_ONCE

    def __init__(self, charging: Charging) -> None:
        self._charging = charging

    def handle(self, received: Received) -> None:
        """Charges, unless that was done before. A policy without a provider means the first provider of this ledger."""
        event = received.event
        if not isinstance(event, AutoTopUpTriggered):
            return
        self._charging.event_log.check()
        TRIGGERS.inc()
        new = NewTrigger(
            event.data.trigger_id,
            event.subject,
            event.data.provider or next(iter(self._charging.gateways)),
            event.data.payment_method_id,
            parse_nanos(event.data.credits),
            event.time or moment_of(received.log_time_ms),
        )
        self._charging.charges.start(new)


class ChargeLater:
    """Advances the triggers that are due: retries, unknown outcomes, links, and what a killed process left. A Task."""

    name, seconds = f"{NAME}:later", _LATER_SECONDS

    def __init__(self, charging: Charging) -> None:
        self._charging = charging

    def do_round(self, connection: Connection) -> None:
        """Advances all that are due now."""
        self._charging.event_log.check()
        due = self._charging.charges.due(limit=_LATER_AT_ONCE * 10)
        if due:
            with ThreadPoolExecutor(_LATER_AT_ONCE, NAME) as threads:
                list(threads.map(self._charging.charges.advance, due))

    def close(self) -> None:
        """Closes connections and producer."""
        self._charging.close()
