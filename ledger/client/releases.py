"""Ends holds that nobody will use, in a thread of its own: nobody waits for it, and it tries until it has an answer.

A question whose answer was lost may have made a hold: it is asked again under its Idempotency-Key, which gives the
same hold, and that is released. What can't be released until its time is over expires by itself.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import httpx

from ledger.client.asking import Question

PATH = "/v1/authorizations"
WAITING_MAX = 1_000
_PAUSE_SECONDS = 0.5
_AGAIN = {401, 403, 429}

log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    question: Question
    until: datetime


class Releases:
    """The holds that are to end. `connect` makes the thread's own client when there is something to do."""

    def __init__(self, connect: Callable[[], httpx.Client]) -> None:
        self._connect = connect
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def release(self, hold_id: str, until: datetime) -> None:
        """Ends a hold."""
        self._put(_Waiting(Question("DELETE", f"{PATH}/{hold_id}"), until))

    def undo(self, question: Question, until: datetime) -> None:
        """Ends the hold that this question may have made."""
        self._put(_Waiting(question, until))

    def close(self, timeout_seconds: float) -> None:
        """Gives what waits so much time; the rest expires by itself."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout_seconds)
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(1)

    def _put(self, waiting: _Waiting) -> None:
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


def _ask(client: httpx.Client, waiting: _Waiting) -> _Waiting | None:
    """What is left to do."""
    question, until = waiting
    if datetime.now(UTC) > until:
        return None
    try:
        answer = client.request(**question.arguments())
        if answer.status_code >= 500 or answer.status_code in _AGAIN:
            return waiting
        if question.method == "POST" and answer.status_code == 201:
            return _Waiting(Question("DELETE", f"{PATH}/{answer.json()['id']}"), until)
    except (httpx.HTTPError, ValueError, LookupError):  # no answer, or not the ledger's
        return waiting
    return None
