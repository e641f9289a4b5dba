"""Releases holds that are not needed, in a thread, so that the caller does not wait. It retries until the gate answers.

A request whose response was lost may have made a hold. The thread sends it again with the same Idempotency-Key, which
gives the same hold, and releases that. A hold that can't be released in time expires by itself.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import httpx

from ledger.client.sans_io import Request

PATH = "/v1/authorizations"
WAITING_MAX = 1_000
_PAUSE_SECONDS = 0.5
_AGAIN = {401, 403, 429}

log = logging.getLogger(__name__)


class _Pending(NamedTuple):
    request: Request
    until: datetime


class Releases:
    """The holds to release. `connect` makes the thread's own HTTP client, at the first hold."""

    def __init__(self, connect: Callable[[], httpx.Client]) -> None:
        self._connect = connect
        self._waiting: deque[_Pending] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def release(self, hold_id: str, until: datetime) -> None:
        """Releases a hold, unless it has expired (`until`) before."""
        self._put(_Pending(Request("DELETE", f"{PATH}/{hold_id}"), until))

    def undo(self, request: Request, until: datetime) -> None:
        """Releases the hold that this request may have made."""
        self._put(_Pending(request, until))

    def close(self, timeout_seconds: float) -> None:
        """Works for up to `timeout_seconds`, then stops. The remaining holds expire by themselves."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout_seconds)
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(1)

    def _put(self, waiting: _Pending) -> None:
        with self._changed:
            if self._stopped or len(self._waiting) >= WAITING_MAX:
                log.debug("a hold is left to expire by itself")
                return
            self._waiting.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ledger-releases", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _run(self) -> None:
        with self._connect() as client:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._stopped)
                    if self._stopped:
                        return
                    waiting = self._waiting[0]
                left = _ask(client, waiting)
                with self._changed:
                    self._waiting.popleft()
                    if left is not None:
                        self._waiting.append(left)
                    self._changed.notify_all()
                    if left == waiting:
                        self._changed.wait_for(lambda: self._stopped, _PAUSE_SECONDS)


def _ask(client: httpx.Client, waiting: _Pending) -> _Pending | None:
    """Sends one request. Returns what is still to do, None if nothing."""
    request, until = waiting
    if datetime.now(UTC) > until:
        return None
    try:
        response = client.request(**request.arguments())
        if response.status_code >= 500 or response.status_code in _AGAIN:
            return waiting
        if request.method == "POST" and response.status_code == 201:
            return _Pending(Request("DELETE", f"{PATH}/{response.json()['id']}"), until)
    except (httpx.HTTPError, ValueError, LookupError):  # no response, or not the ledger's
        return waiting
    return None
