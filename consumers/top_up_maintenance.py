"""Keeps auto top-ups going: reopens caps, takes up triggers without a row, and reports what takes too long."""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import timedelta

import structlog
from prometheus_client import Gauge

from consumers.charge_top_ups import NAME, Charging
from consumers.top_up_metrics import OPEN, OPEN_SECONDS, OVERDUE, OVERDUE_SECONDS
from ledger.payments import payment_events
from ledger.payments.clock import Clock, utc_now
from ledger.payments.event_recorder import EventRecorder
from ledger.postgres.types import Connection
from ledger.records import rebuilds
from ledger.records.top_up_triggers import NewTrigger
from ledger.views import top_ups
from ledger.views.top_ups import OpenTopUps

# The broker's clock may be behind ours; a recheck that it dates before the window opens has no effect.
_MARGIN = timedelta(seconds=30)
# A trigger that only the views know may have been charged up to this long ago.
_LOOK_BACK = timedelta(days=40)

log = structlog.get_logger()


class TopUpMaintenance:
    """The maintenance of auto top-ups. A Task."""

    name, seconds = f"{NAME}:maintenance", 30.0

    def __init__(self, charging: Charging, clock: Clock = utc_now) -> None:
        self._charging, self._clock = charging, clock

    def do_round(self, connection: Connection) -> None:
        """One round, unless the views are half-built."""
        self._charging.event_log.check()
        if rebuilds.unfinished(connection) is not None:
            return
        self._recheck(connection)
        self._take_up(connection)
        self._report(connection)

    def close(self) -> None:
        """Closes connections and producer."""
        self._charging.close()

    def _recheck(self, connection: Connection) -> None:
        """Appends a recheck for each cap whose window has opened."""
        now = self._clock() - _MARGIN
        recorder = EventRecorder(lambda: nullcontext(connection), self._charging.event_log)
        for account_id, window in top_ups.opened_caps(connection, now):
            if recorder.append_once(payment_events.top_up_rechecked(account_id, window, now)):
                log.info("cap_opened", account_id=account_id, window=window)

    def _take_up(self, connection: Connection) -> None:
        """Starts the triggers of accounts in flight that have no row: the record or the row was lost."""
        for account_id, trigger_id, credits, provider, method_id, since in top_ups.unattended(connection):
            log.warning("trigger_taken_up", account_id=account_id, trigger_id=trigger_id)
            provider = provider or next(iter(self._charging.gateways))
            look_from = self._clock() - _LOOK_BACK
            new = NewTrigger(trigger_id, account_id, provider, method_id, credits, since, look_from)
            self._charging.charges.start(new)

    def _report(self, connection: Connection) -> None:
        now = self._clock()
        _show(OPEN, OPEN_SECONDS, top_ups.open_(connection, now))
        overdue = top_ups.overdue(connection, now)
        _show(OVERDUE, OVERDUE_SECONDS, overdue)
        for kind, hanging in overdue.items():
            if hanging.number:
                log.warning("overdue", kind=kind, count=hanging.number, oldest_seconds=int(hanging.oldest_seconds))


def _show(counts: Gauge, ages: Gauge, found: Mapping[str, OpenTopUps]) -> None:
    for name, hanging in found.items():
        counts.labels(name).set(hanging.number)
        ages.labels(name).set(hanging.oldest_seconds)
