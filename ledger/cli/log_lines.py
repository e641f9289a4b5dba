"""A record of the log as one line, for people or as JSON. Whatever it holds, it does nothing to the terminal."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from kafka.consumer.fetcher import ConsumerRecord
from pydantic_core import from_json

from ledger.cli.escaping import printable, readable
from ledger.core.calendar import log_time_text, moment_of
from ledger.log.readable import Seal, event_of, seal_of
from ledger.log.reading import Problem, log_time_ms

_DATA_CHARACTERS = 120
_EXCERPT_CHARACTERS = 500


class Shown(NamedTuple):
    """A record with what it says, or why it says nothing that can be read."""

    topic: str
    record: ConsumerRecord
    event: dict[str, Any] | None
    problem: Problem | None
    seal: Seal

    def line(self) -> str:
        """For people: the data cut short."""
        record = self.record
        place = f"{log_time_text(moment_of(log_time_ms(record)))}  {record.partition}/{record.offset}"
        if self.event is None:
            assert self.problem is not None
            return f"{place}  UNREADABLE  {printable(str(self.problem))}  {_cut(readable(record.value))}"
        told = printable(f"{self.event['subject']}  {self.event['type']}  {_seal(self.seal)}")
        return f"{place}  {told}  {_cut(printable(_data(self.event['data'])))}"

    def json_fields(self) -> str:
        """One JSON object in one line of ASCII."""
        record = self.record
        told: dict[str, Any] = {
            "topic": self.topic,
            "partition": record.partition,
            "offset": record.offset,
            "log_time": log_time_text(moment_of(log_time_ms(record))),
            "key_id": self.seal.key_id,
            "signature": self.seal.proof,
            "event": self.event,
        }
        if self.problem is not None:
            told["problem"] = self.problem._asdict()
            told["key"] = readable(record.key)
            told["excerpt"] = readable((record.value or b"")[:_EXCERPT_CHARACTERS])
        return json.dumps(told).replace("\x7f", "\\u007f")  # the one control character that JSON lets through


class Lens:
    """Reads the records of a topic, and lets through those of an account and of a type, if these are given."""

    def __init__(self, topic: str, secrets: Mapping[str, bytes], account: str | None, type: str | None) -> None:
        self._topic, self._secrets = topic, secrets
        self._key = None if account is None else account.encode()
        self._type = type

    def shown(self, record: ConsumerRecord) -> Shown | None:
        """The record to show; None when it does not pass. What can't be read has no type."""
        if self._key is not None and record.key != self._key:
            return None
        event = event_of(self._topic, record)
        if self._type is not None and (isinstance(event, Problem) or event.type != self._type):
            return None
        seal = seal_of(record, self._secrets)
        if isinstance(event, Problem):
            return Shown(self._topic, record, None, event, seal)
        return Shown(self._topic, record, from_json(record.value or b""), None, seal)

    def passes(self, record: ConsumerRecord) -> bool:
        """Whether it is to be shown."""
        return self.shown(record) is not None


def _seal(seal: Seal) -> str:
    match seal.proof:
        case "valid":
            return f"signed by {seal.key_id}"
        case "unchecked":
            return f"signed by {seal.key_id} (unchecked)"
        case "invalid":
            return "BAD SIGNATURE"
    return "unsigned"


def _data(data: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in data.items())


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= _DATA_CHARACTERS else text[: _DATA_CHARACTERS - 1] + "…"
