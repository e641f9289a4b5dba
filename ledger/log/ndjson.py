"""Events from lines of text, one CloudEvent as JSON per line, onto the log in the order of the lines.

A line is checked by the code that checks records for the projector, so a line that the projector would refuse is not
published. The record has the bytes of the line, so that extension attributes stay.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from pydantic_core import from_json

from ledger.core.errors import LedgerError
from ledger.log.dead_letters import Problem
from ledger.log.publisher import LogUnavailable, PendingAppend, Publisher
from ledger.log.record import PlainRecord
from ledger.log.validation import fact_of
from schemas.events import ROUTER_TYPES
from schemas.fields import RECORD_BYTES_MAX
from schemas.signatures import SigningKey
from schemas.topics import EVENTS

WINDOW = 10_000
_LINE_BYTES_MAX = RECORD_BYTES_MAX + 1024  # room for the white space around an event


class BadLine(LedgerError):
    message = "The line is not an event that the ledger reads"


class NeedsSigning(LedgerError):
    message = "Only usage and traces may be unsigned; publish with --sign and a signing key"


class LineNotAcknowledged(LedgerError):
    message = "Kafka did not acknowledge the event; it may or may not be on the log. Publish it again: it counts once"


class Line(NamedTuple):
    """An event as it will be on the log, and the number of its line."""

    number: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


def lines_of(stream: BinaryIO, signing_key: SigningKey | None) -> Iterator[Line]:
    """The events of a stream. Those that a router may not send are signed. Raises BadLine or NeedsSigning."""
    number = 0
    while text := stream.readline(_LINE_BYTES_MAX):
        number += 1
        value = text.strip()
        if len(value) > RECORD_BYTES_MAX or len(text) == _LINE_BYTES_MAX:
            raise BadLine(f"an event has at most {RECORD_BYTES_MAX} bytes", field=f"line {number}")
        if value:
            yield _checked(number, value, signing_key)


def _checked(number: int, value: bytes, signing_key: SigningKey | None) -> Line:
    field = f"line {number}"
    line = Line(number, _key_of(value), value)
    fact = fact_of(PlainRecord(line.key, line.value), {})
    if isinstance(fact, Problem):
        raise BadLine(str(fact), field=field)
    if fact.event.type in ROUTER_TYPES:
        return line
    if signing_key is None:
        raise NeedsSigning(fact.event.type, field=field)
    return line._replace(headers=[signing_key.header(value)])


def _key_of(value: bytes) -> bytes:
    """The key that belongs to the event; empty when it is no event, which `fact_of` reports."""
    try:
        event = from_json(value)
    except ValueError:
        return b""
    subject = event.get("subject") if isinstance(event, dict) else None
    return subject.encode() if isinstance(subject, str) else b""


class Publication:
    """Appends lines and checks every acknowledgement; at most `WINDOW` are under way at any time.

    `published` counts those that are on the log for sure; leaving the with block waits for the rest.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._log = publisher.in_order()
        self._under_way: deque[tuple[int, PendingAppend]] = deque()
        self.published = 0

    def append(self, line: Line) -> None:
        """Appends one more. Raises LineNotAcknowledged, which may be for an earlier line."""
        if len(self._under_way) >= WINDOW:
            self._settle(WINDOW // 2)
        try:
            append = self._log.append(EVENTS, line.key, line.value, line.headers)
        except LogUnavailable as error:
            raise LineNotAcknowledged(error.detail, field=f"line {line.number}") from error
        self._under_way.append((line.number, append))

    def _settle(self, left: int) -> None:
        """Waits until at most `left` appends are under way."""
        while len(self._under_way) > left:
            number, append = self._under_way.popleft()
            try:
                append.position()
            except LogUnavailable as error:
                raise LineNotAcknowledged(error.detail, field=f"line {number}") from error
            self.published += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        first = None
        while self._under_way:
            try:
                self._settle(0)
            except LineNotAcknowledged as failure:  # those behind it may have arrived, and count
                first = first or failure
        if first is not None and error is None:
            raise first
