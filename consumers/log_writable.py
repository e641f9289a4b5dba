"""The appenders of a consumer process, and the metric that says whether they work."""

from weakref import WeakSet

from prometheus_client import Gauge

from ledger.log.event_appender import EventAppender
from ledger.log.publisher import AppendGuard
from ledger.settings import Settings

_SECONDS = 10
_WRITABLE = Gauge("ledger_log_writable", "1 while what this process appends to ledger.events is acknowledged.")


def open_appender(settings: Settings, guard: AppendGuard) -> EventAppender:
    """An appender that the metric watches until it is closed."""
    appender = EventAppender(settings, guard, seconds=_SECONDS)
    _open.add(appender)
    return appender


_open: WeakSet[EventAppender] = WeakSet()
_WRITABLE.set_function(lambda: not any(each.trouble for each in list(_open)))
