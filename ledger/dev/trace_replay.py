"""Replays a real trace of requests (CSV: TIMESTAMP, ContextTokens, GeneratedTokens) and publishes every event twice.

The second copy has the same id and content and follows a little later, sometimes in the same fetch. So exactly half of
the records must be duplicates. Requests are spread over accounts and priced by the book.
"""

import asyncio
import csv
import threading
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.dev.board import Board
from ledger.dev.router import Request, purchase_event, usage_event
from ledger.dev.visibility import Visibility
from ledger.log.publisher import PendingAppend, Publisher
from schemas.events import UsageRecorded
from schemas.signatures import SigningKey
from schemas.topics import EVENTS

ACCOUNTS = 32
CREDITS = "25"
REPEATED_AFTER = 250
IN_FLIGHT = 2_000


class TraceUnreadable(LedgerError):
    message = "The trace must be a CSV file with the columns TIMESTAMP, ContextTokens and GeneratedTokens"


class Row(NamedTuple):
    """One request: seconds since the first one, and its tokens."""

    second: float
    input_tokens: int
    output_tokens: int


def read_trace(path: Path) -> list[Row]:
    """All requests of the file, in order. Raises TraceUnreadable."""
    try:
        with path.open(newline="") as file:
            rows = [(_moment(line["TIMESTAMP"]), line) for line in csv.DictReader(file)]
            first = rows[0][0] if rows else 0.0
            return [Row(at - first, int(line["ContextTokens"]), int(line["GeneratedTokens"])) for at, line in rows]
    except (OSError, KeyError, ValueError) as error:
        raise TraceUnreadable(f"{path}: {error}") from error


class Replay:
    """One replay: at full speed, or at `speed` times real time."""

    def __init__(
        self,
        rows: list[Row],
        speed: float | None,
        publisher: Publisher,
        signing_key: SigningKey,
        visibility: Visibility,
        board: Board,
    ) -> None:
        self._rows, self._speed = rows, speed
        self._publisher, self._signing_key = publisher, signing_key
        self._visibility, self._board = visibility, board
        self._pending: deque[tuple[PendingAppend, float]] = deque()
        self._stopped = threading.Event()

    async def play(self) -> None:
        """Publishes the trace in a thread. If it is cancelled, it ends after the current event."""
        publishing = asyncio.ensure_future(asyncio.to_thread(self._publish_all))
        try:
            await asyncio.shield(publishing)
        except asyncio.CancelledError:
            self._stopped.set()
            await publishing
            raise

    def _publish_all(self) -> None:
        for number in range(ACCOUNTS):
            purchase = purchase_event(account_of(number), CREDITS)
            self._publisher.append_event(EVENTS, purchase, self._signing_key).position()
        started = time.monotonic()
        for count, (second, event) in enumerate(self._events(), 1):
            due = started + second / self._speed if self._speed else 0
            if self._stopped.wait(max(due - time.monotonic(), 0)) if due else self._stopped.is_set():
                break
            self._pending.append((self._publisher.append_event(EVENTS, event), time.monotonic()))
            self._settle(IN_FLIGHT if not self._speed else 100)
            if count % 500 == 0:
                self._board.headline = f"trace: {count:,} of {2 * len(self._rows):,} events published"
        self._settle(0)
        self._board.headline = ""

    def _events(self) -> Iterator[tuple[float, UsageRecorded]]:
        """Every event, and each once more after some that follow it."""
        repeats: deque[UsageRecorded] = deque()
        for number, row in enumerate(self._rows):
            event = usage_event(account_of(number % ACCOUNTS), _request(number, row))
            yield row.second, event
            repeats.append(event)
            if len(repeats) > REPEATED_AFTER:
                yield row.second, repeats.popleft()
        for event in repeats:
            yield self._rows[-1].second, event

    def _settle(self, left: int) -> None:
        """Waits for acknowledgements until at most `left` are outstanding."""
        while len(self._pending) > left:
            append, sent_at = self._pending.popleft()
            position = append.position()
            self._visibility.sample(position.partition, position.offset, sent_at)


def account_of(number: int) -> str:
    """The name of an account."""
    return f"trace-{number + 1:02}"


def _request(number: int, row: Row) -> Request:
    mode = "tier" if number % 3 == 0 else "auto"
    return Request("openai", "gpt-4o", mode, row.input_tokens, row.output_tokens, hold="0")


def _moment(text: str) -> float:
    """Seconds. The trace has seven digits of a second, one more than Python reads."""
    whole, _, fraction = text.partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
